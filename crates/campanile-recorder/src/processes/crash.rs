//! Named moments at which a test can end the process, as by SIGKILL. In the library itself they are nothing.

/// Ends the process here if a test asked for it.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn point(_: &str) {}

/// The variable that names the moment, in this crate's own test program.
#[cfg(test)]
pub(crate) const VARIABLE: &str = "CAMPANILE_RECORDER_CRASH";

/// Ends the process here if a test asked for it.
#[cfg(test)]
pub(crate) fn point(name: &str) {
    if std::env::var(VARIABLE).is_ok_and(|asked| asked == name) {
        let this = rustix::process::getpid();
        rustix::process::kill_process(this, rustix::process::Signal::KILL).expect("ends this process");
    }
}
