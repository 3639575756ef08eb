//! Named points in the protocol at which tests can pause or kill the process. No-ops outside tests.

/// Marks a point in the protocol.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn failpoint(_: &str) {}

#[cfg(test)]
pub(crate) use self::testing::failpoint;

#[cfg(test)]
pub(crate) mod testing {
    use std::cell::RefCell;

    /// The environment variable that names the fail point at which the process kills itself.
    pub(crate) const KILL_AT: &str = "CAMPANILE_RECORDER_KILL_AT";

    type Hook = Box<dyn FnMut(&str)>;

    thread_local! {
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    }

    /// Calls `hook` at each fail point that this thread reaches.
    pub(crate) fn set_hook(hook: impl FnMut(&str) + 'static) {
        HOOK.with_borrow_mut(|current| *current = Some(Box::new(hook)));
    }

    pub(crate) fn clear_hook() {
        HOOK.with_borrow_mut(|current| *current = None);
    }

    pub(crate) fn failpoint(name: &str) {
        if std::env::var(KILL_AT).is_ok_and(|kill_at| kill_at == name) {
            let this = rustix::process::getpid();
            rustix::process::kill_process(this, rustix::process::Signal::KILL)
                .expect("a process may kill itself");
        }
        HOOK.with_borrow_mut(|hook| {
            if let Some(hook) = hook {
                hook(name);
            }
        });
    }
}
