//! Named moments at which a test can step in. In the library itself they are nothing.

/// Tells a test that the moment has come.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn reached(_: &str) {}

#[cfg(test)]
pub(crate) use self::testing::reached;

#[cfg(test)]
pub(crate) mod testing {
    use std::cell::RefCell;

    /// The variable that names the moment at which this program ends, as by SIGKILL.
    pub(crate) const DIES: &str = "CAMPANILE_RECORDER_DIES";

    type Hook = Box<dyn FnMut(&str)>;

    thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    /// Calls `hook` at each moment of this thread.
    pub(crate) fn watch(hook: impl FnMut(&str) + 'static) {
        HOOK.with_borrow_mut(|current| *current = Some(Box::new(hook)));
    }

    /// Calls no hook any more.
    pub(crate) fn ignore() {
        HOOK.with_borrow_mut(|current| *current = None);
    }

    pub(crate) fn reached(moment: &str) {
        if std::env::var(DIES).is_ok_and(|dies| dies == moment) {
            let this = rustix::process::getpid();
            rustix::process::kill_process(this, rustix::process::Signal::KILL).expect("ends this process");
        }
        HOOK.with_borrow_mut(|hook| {
            if let Some(hook) = hook {
                hook(moment);
            }
        });
    }
}
