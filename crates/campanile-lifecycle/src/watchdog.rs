//! Pings the service manager's watchdog.

use std::env;
use std::fmt::Display;
use std::io;
use std::process;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::notifier::Notifier;

/// Sends `WATCHDOG=1` twice per `WatchdogSec=`. Made by [`Notifier::watchdog`].
///
/// Run it on the runtime whose stalls the manager should notice.
#[derive(Debug)]
#[must_use = "without pings, the manager kills the service"]
pub struct Watchdog {
    notifier: Notifier,
    timeout: Duration,
}

impl Watchdog {
    pub(crate) fn new(notifier: Notifier, timeout: Duration) -> Self {
        Self { notifier, timeout }
    }

    /// Returns the time without pings after which the manager kills the service.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Pings indefinitely. If it is dropped, the manager kills the service.
    ///
    /// # Panics
    ///
    /// If polled outside of a tokio runtime with time enabled.
    pub async fn run(self) {
        self.run_while(|| true).await;
    }

    /// Pings indefinitely, each time only if `is_healthy` returns true.
    ///
    /// # Panics
    ///
    /// If polled outside of a tokio runtime with time enabled.
    pub async fn run_while(self, mut is_healthy: impl FnMut() -> bool) {
        let mut interval = tokio::time::interval(self.timeout / 2);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if is_healthy()
                && let Err(error) = self.notifier.notify("WATCHDOG=1")
            {
                tracing::warn!(%error, "failed to ping the service manager's watchdog");
            }
        }
    }

    /// Reads the timeout from the environment; `None` if this process need not ping.
    pub(crate) fn timeout_from_env() -> io::Result<Option<Duration>> {
        let Some(timeout) = number("WATCHDOG_USEC")? else {
            return Ok(None);
        };
        let for_other_process = number("WATCHDOG_PID")?.is_some_and(|pid| pid != u64::from(process::id()));
        // Half of 1 µs would be an interval of zero, on which tokio panics.
        Ok((!for_other_process && timeout > 1).then(|| Duration::from_micros(timeout)))
    }
}

fn number(name: &str) -> io::Result<Option<u64>> {
    let invalid =
        |error: &dyn Display| io::Error::new(io::ErrorKind::InvalidInput, format!("invalid {name}: {error}"));
    match env::var(name) {
        Ok(text) => text.parse().map(Some).map_err(|error| invalid(&error)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(error) => Err(invalid(&error)),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    /// Runs a watchdog, and returns the number of its pings.
    async fn pings(name: &str, timeout: u64, run_for: u64, mut is_healthy: impl FnMut() -> bool) -> usize {
        let name = format!("campanile-watchdog-{name}-{}", process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).expect("it is short"))
            .expect("the name is unique");
        manager.set_nonblocking(true).expect("it is a socket");
        let notifier = Notifier::new(format!("@{name}")).expect("it is abstract");
        let watchdog = Watchdog::new(notifier, Duration::from_secs(timeout));
        let running = watchdog.run_while(&mut is_healthy);
        let ended = tokio::time::timeout(Duration::from_secs(run_for), running).await;
        assert!(ended.is_err(), "the watchdog ended");
        let mut buffer = [0; 64];
        std::iter::from_fn(|| manager.recv(&mut buffer).ok())
            .inspect(|length| assert_eq!(*length, "WATCHDOG=1".len()))
            .count()
    }

    #[tokio::test(start_paused = true)]
    async fn pings_at_once_and_at_half_of_the_timeout() {
        assert_eq!(pings("healthy", 10, 24, || true).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_ping_while_unhealthy() {
        let mut calls = 0;
        let is_healthy = || {
            calls += 1;
            calls % 2 == 0
        };
        assert_eq!(pings("unhealthy", 10, 24, is_healthy).await, 2);
    }
}
