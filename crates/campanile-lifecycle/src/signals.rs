//! The signals that request a shutdown.

#[cfg(unix)]
pub(crate) use self::unix::Signals;

#[cfg(not(unix))]
pub(crate) use self::unsupported::Signals;

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::Arc;

    use crate::signal_thread::{Receiver, Subscription};
    use crate::state::LifecycleState;

    /// The handlers of TERM, INT and USR2, from [`Signals::install`] until it is dropped.
    #[derive(Debug, Default)]
    pub(crate) struct Signals {
        subscription: Option<Subscription>,
    }

    impl Signals {
        pub(crate) fn install(&mut self, state: &Arc<LifecycleState>) -> io::Result<()> {
            if self.subscription.is_none() {
                let receiver = Receiver::Shutdown(Arc::clone(state));
                self.subscription = Some(Subscription::new(receiver)?);
            }
            Ok(())
        }

        pub(crate) const fn are_installed(&self) -> bool {
            self.subscription.is_some()
        }

        /// Requests what the signals received so far request.
        pub(crate) fn deliver(&self) {
            if let Some(subscription) = &self.subscription {
                subscription.deliver();
            }
        }
    }
}

#[cfg(not(unix))]
mod unsupported {
    /// No signals: only a `LifecycleHandle` requests the shutdown.
    #[derive(Debug, Default)]
    pub(crate) struct Signals;

    impl Signals {
        pub(crate) fn deliver(&self) {}
    }
}
