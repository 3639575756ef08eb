//! The signals that ask for a stop.

#[cfg(unix)]
pub(crate) use self::unix::Signals;

#[cfg(not(unix))]
pub(crate) use self::elsewhere::Signals;

#[cfg(unix)]
mod unix {
    use std::io;
    use std::task::{Context, Poll};

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// Einhorn says TERM, INT and USR2 alike, and a service must take each for the same.
    fn all() -> [(&'static str, SignalKind); 3] {
        [
            ("SIGTERM", SignalKind::terminate()),
            ("SIGINT", SignalKind::interrupt()),
            ("SIGUSR2", SignalKind::user_defined2()),
        ]
    }

    /// Signals that are caught, from [`Signals::install`] to the end of the process.
    #[derive(Debug, Default)]
    pub(crate) struct Signals {
        installed: Vec<(&'static str, Signal)>,
    }

    impl Signals {
        pub(crate) fn install(&mut self) -> io::Result<()> {
            if self.installed.is_empty() {
                let installed = all().into_iter().map(|(name, kind)| Ok((name, signal(kind)?)));
                self.installed = installed.collect::<io::Result<_>>()?;
            }
            Ok(())
        }

        pub(crate) fn are_installed(&self) -> bool {
            !self.installed.is_empty()
        }

        /// Yields the name of a signal that has come.
        pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<&'static str> {
            let mut installed = self.installed.iter_mut();
            let come = installed.find_map(|(name, signal)| match signal.poll_recv(cx) {
                Poll::Ready(Some(())) => Some(*name),
                Poll::Ready(None) | Poll::Pending => None,
            });
            come.map_or(Poll::Pending, Poll::Ready)
        }
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::task::{Context, Poll};

    /// None: code asks for the stop, by `Handle::drain`.
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
