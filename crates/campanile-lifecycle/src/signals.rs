//! The signals that request a shutdown.

#[cfg(unix)]
pub(crate) use self::unix::Signals;

#[cfg(not(unix))]
pub(crate) use self::unsupported::Signals;

#[cfg(unix)]
mod unix {
    use std::io;
    use std::task::{Context, Poll};

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// Einhorn sends each of TERM, INT and USR2 for a graceful shutdown.
    fn kinds() -> [(&'static str, SignalKind); 3] {
        [
            ("SIGTERM", SignalKind::terminate()),
            ("SIGINT", SignalKind::interrupt()),
            ("SIGUSR2", SignalKind::user_defined2()),
        ]
    }

    /// The signal streams, empty before [`Signals::install`].
    #[derive(Debug, Default)]
    pub(crate) struct Signals {
        installed: Vec<(&'static str, Signal)>,
    }

    impl Signals {
        pub(crate) fn install(&mut self) -> io::Result<()> {
            if self.installed.is_empty() {
                let installed = kinds().into_iter().map(|(name, kind)| Ok((name, signal(kind)?)));
                self.installed = installed.collect::<io::Result<_>>()?;
            }
            Ok(())
        }

        pub(crate) fn are_installed(&self) -> bool {
            !self.installed.is_empty()
        }

        /// Completes with the name of a received signal.
        pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<&'static str> {
            let mut installed = self.installed.iter_mut();
            let received = installed.find_map(|(name, signal)| match signal.poll_recv(cx) {
                Poll::Ready(Some(())) => Some(*name),
                Poll::Ready(None) | Poll::Pending => None,
            });
            received.map_or(Poll::Pending, Poll::Ready)
        }
    }
}

#[cfg(not(unix))]
mod unsupported {
    use std::task::{Context, Poll};

    /// No signals: only a `LifecycleHandle` requests the shutdown.
    #[derive(Debug, Default)]
    pub(crate) struct Signals;

    impl Signals {
        pub(crate) fn are_installed(&self) -> bool {
            false
        }

        pub(crate) fn poll(&mut self, _: &mut Context<'_>) -> Poll<&'static str> {
            Poll::Pending
        }
    }
}
