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
