//! Tells the service manager that the runtime still turns.

use std::env;
use std::fmt::Display;
use std::io;
use std::process;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::notify::Notifier;

/// Sends `WATCHDOG=1` twice in the time that `WatchdogSec=` allows. Made by [`Notifier::watchdog`].
///
/// Run it on the runtime whose standing still is to be noticed.
#[derive(Debug)]
#[must_use = "a watchdog that does not run lets the manager kill the service"]
pub struct Watchdog {
    notifier: Notifier,
    timeout: Duration,
}

impl Watchdog {
    pub(super) fn new(notifier: Notifier, timeout: Duration) -> Self {
        Self { notifier, timeout }
    }

    /// Returns the time after which the manager takes the service for dead.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Pings for ever. Drop it to have the service killed.
    ///
    /// # Panics
    ///
    /// If it is polled outside of a tokio runtime with time.
    pub async fn run(self) {
        self.run_while(|| true).await;
    }

    /// Pings at each turn at which the service finds itself well, for ever.
    ///
    /// # Panics
    ///
    /// If it is polled outside of a tokio runtime with time.
    pub async fn run_while(self, mut well: impl FnMut() -> bool) {
        let mut turns = tokio::time::interval(self.timeout / 2);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            if well()
                && let Err(error) = self.notifier.notify("WATCHDOG=1")
            {
                tracing::warn!(%error, "the service manager's watchdog could not be told");
            }
        }
    }

    /// Reads from the environment whether pings are expected, and how often at least.
    pub(super) fn asked_for() -> io::Result<Option<Duration>> {
        let Some(timeout) = number("WATCHDOG_USEC")? else {
            return Ok(None);
        };
        let other = number("WATCHDOG_PID")?.is_some_and(|pid| pid != u64::from(process::id()));
        // Half of a microsecond is no interval.
        Ok((!other && timeout > 1).then(|| Duration::from_micros(timeout)))
    }
}

fn number(name: &str) -> io::Result<Option<u64>> {
    let invalid = |error: &dyn Display| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name} is no number: {error}"),
        )
    };
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

    /// The environment cannot be set in a test, and so the timeout only here.
    async fn pings(name: &str, timeout: u64, run_for: u64, mut well: impl FnMut() -> bool) -> usize {
        let name = format!("campanile-watchdog-{name}-{}", process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).expect("it is short"))
            .expect("nobody has the name");
        manager.set_nonblocking(true).expect("it is a socket");
        let notifier = Notifier::new(format!("@{name}")).expect("it is abstract");
        let watchdog = Watchdog::new(notifier, Duration::from_secs(timeout));
        let running = watchdog.run_while(&mut well);
        let ended = tokio::time::timeout(Duration::from_secs(run_for), running).await;
        assert!(ended.is_err(), "it pings for ever");
        let mut buffer = [0; 64];
        std::iter::from_fn(|| manager.recv(&mut buffer).ok())
            .inspect(|length| assert_eq!(*length, "WATCHDOG=1".len()))
            .count()
    }

    #[tokio::test(start_paused = true)]
    async fn it_pings_at_once_and_at_half_of_the_time() {
        assert_eq!(pings("well", 10, 24, || true).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_silent_while_the_service_is_not_well() {
        let mut asked = 0;
        let well = || {
            asked += 1;
            asked % 2 == 0
        };
        assert_eq!(pings("ill", 10, 24, well).await, 2);
    }
}
