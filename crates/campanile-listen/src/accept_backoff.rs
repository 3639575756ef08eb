//! Back-off after failed accepts, and its log lines.

use std::fmt;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::time::Instant;

use crate::Connections;
use crate::metrics::errno_label;

/// Consecutive failures of single connections that are retried at once. More of them pause too: a firewall or seccomp
/// rule can make every accept fail, and retrying would spin.
const IMMEDIATE_RETRIES: u32 = 64;

/// Pauses after failed accepts, with exponential back-off.
///
/// An outage lasts from the first failure until the accept queue has been emptied.
pub(crate) struct AcceptBackoff {
    min: Duration,
    max: Duration,
    outage: Option<Outage>,
}

struct Outage {
    since: Instant,
    failures: u64,
    /// Consecutive failures of single connections.
    retries: u32,
    next_pause: Duration,
    paused_until: Option<Instant>,
    logged: bool,
}

impl AcceptBackoff {
    pub(crate) const fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max,
            outage: None,
        }
    }

    /// Waits until the current pause is over. Cancel safe: its end does not move.
    pub(crate) async fn pause(&mut self) {
        if let Some(outage) = &mut self.outage
            && let Some(until) = outage.paused_until
        {
            tokio::time::sleep_until(until).await;
            outage.paused_until = None;
        }
    }

    /// Returns for how long accepts have been failing.
    pub(crate) fn outage_duration(&self) -> Duration {
        self.outage
            .as_ref()
            .map_or(Duration::ZERO, |outage| outage.since.elapsed())
    }

    /// Counts a failed accept, and starts a pause if the error calls for one.
    pub(crate) fn on_error(&mut self, error: &io::Error, connections: &Connections) {
        connections.accept_failed(error);
        let now = Instant::now();
        let outage = self.outage.get_or_insert(Outage {
            since: now,
            failures: 0,
            retries: 0,
            next_pause: self.min,
            paused_until: None,
            logged: false,
        });
        outage.failures += 1;
        if is_connection_error(error) && outage.retries < IMMEDIATE_RETRIES {
            outage.retries += 1;
            return;
        }
        outage.paused_until = Some(now + outage.next_pause);
        outage.next_pause = (outage.next_pause * 2).min(self.max);
        if !outage.logged {
            outage.logged = true;
            tracing::warn!(
                listener = connections.label().as_str(),
                error = errno_label(error),
                open_connections = connections.open(),
                descriptor_limit = %DescriptorLimit(getrlimit(Resource::Nofile).current),
                "accept failed; pausing while clients wait in the accept queue: {error}"
            );
        }
    }

    /// Resets the pause after a successful accept. The outage goes on: where each freed descriptor is used at once, its
    /// end would be logged many times a second.
    pub(crate) fn on_accept(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.next_pause = self.min;
            outage.retries = 0;
        }
    }

    /// Ends the outage, since the accept queue is empty.
    pub(crate) fn on_empty(&mut self, connections: &Connections) {
        if let Some(outage) = self.outage.take()
            && outage.logged
        {
            tracing::info!(
                listener = connections.label().as_str(),
                failures = outage.failures,
                seconds = outage.since.elapsed().as_secs_f64(),
                open_connections = connections.open(),
                "accept resumed; the accept queue is empty"
            );
        }
    }
}

/// Returns whether an error concerns the next connection only, and not the listener or the process: accept(2) also
/// returns pending network errors of the connection.
fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::ECONNREFUSED
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::EINTR
                | libc::ENETDOWN
                | libc::ENETUNREACH
                | libc::ENOPROTOOPT
                | libc::EPERM
                | libc::EPROTO
                | libc::ETIMEDOUT
        )
    )
}

struct DescriptorLimit(Option<u64>);

impl fmt::Display for DescriptorLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(limit) => limit.fmt(f),
            None => f.write_str("unlimited"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(number: i32) -> io::Error {
        io::Error::from_raw_os_error(number)
    }

    fn backoff() -> AcceptBackoff {
        AcceptBackoff::new(Duration::from_millis(100), Duration::from_secs(1))
    }

    async fn paused(backoff: &mut AcceptBackoff) -> Duration {
        let start = Instant::now();
        backoff.pause().await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_maximum_and_reset_after_an_accept() {
        let connections = Connections::new("here");
        let mut backoff = backoff();
        assert_eq!(paused(&mut backoff).await, Duration::ZERO);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            backoff.on_error(&error(libc::EMFILE), &connections);
            pauses.push(paused(&mut backoff).await.as_millis());
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(
            paused(&mut backoff).await,
            Duration::ZERO,
            "each failure pauses once"
        );
        backoff.on_accept();
        backoff.on_error(&error(libc::ENFILE), &connections);
        assert_eq!(paused(&mut backoff).await.as_millis(), 100);
        assert!(
            backoff.outage_duration() > Duration::from_secs(3),
            "the outage goes on"
        );
        backoff.on_empty(&connections);
        assert_eq!(backoff.outage_duration(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn pause_survives_cancellation() {
        let mut backoff = backoff();
        backoff.on_error(&error(libc::EMFILE), &Connections::new("here"));
        let cancelled = tokio::time::timeout(Duration::from_millis(30), backoff.pause()).await;
        assert!(cancelled.is_err());
        assert_eq!(paused(&mut backoff).await.as_millis(), 70);
    }

    #[tokio::test(start_paused = true)]
    async fn failed_connections_pause_only_after_many_in_a_row() {
        let connections = Connections::new("here");
        let mut backoff = backoff();
        for _ in 0..IMMEDIATE_RETRIES {
            backoff.on_error(&error(libc::ECONNABORTED), &connections);
            assert_eq!(paused(&mut backoff).await, Duration::ZERO);
        }
        backoff.on_error(&error(libc::ECONNABORTED), &connections);
        assert_eq!(paused(&mut backoff).await.as_millis(), 100);
    }
}
