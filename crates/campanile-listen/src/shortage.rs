//! When accepting fails: which errors cost a pause, for how long, and what the log is told.

use std::fmt;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::time::Instant;

use crate::Connections;
use crate::errno::errno_name;

/// Failures of single connections that follow each other at once before they, too, cost a pause. A rule of a firewall
/// or of seccomp can make every accept fail, and without a pause that would be a loop.
const AT_ONCE: u32 = 64;

/// A spell of failed accepts: from the first failure until the queue has been emptied.
pub(crate) struct Shortage {
    shortest: Duration,
    longest: Duration,
    spell: Option<Spell>,
}

struct Spell {
    begun: Instant,
    failures: u64,
    /// Failures of single connections in a row.
    in_a_row: u32,
    /// The next pause, if the next accept fails.
    pause: Duration,
    until: Option<Instant>,
    logged: bool,
}

impl Shortage {
    pub(crate) const fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest,
            longest,
            spell: None,
        }
    }

    /// Waits for the end of the pause, if there is one. Cancel safe: the pause ends when it ends.
    pub(crate) async fn pause(&mut self) {
        if let Some(spell) = &mut self.spell
            && let Some(until) = spell.until
        {
            tokio::time::sleep_until(until).await;
            spell.until = None;
        }
    }

    /// Returns for how long accepts have failed.
    pub(crate) fn lasts(&self) -> Duration {
        self.spell
            .as_ref()
            .map_or(Duration::ZERO, |spell| spell.begun.elapsed())
    }

    /// Counts a failed accept, and begins a pause if the error calls for one.
    pub(crate) fn failed(&mut self, error: &io::Error, connections: &Connections) {
        connections.accept_failed(error);
        let now = Instant::now();
        let spell = self.spell.get_or_insert(Spell {
            begun: now,
            failures: 0,
            in_a_row: 0,
            pause: self.shortest,
            until: None,
            logged: false,
        });
        spell.failures += 1;
        if concerns_one_connection(error) && spell.in_a_row < AT_ONCE {
            spell.in_a_row += 1;
            return;
        }
        spell.until = Some(now + spell.pause);
        spell.pause = (spell.pause * 2).min(self.longest);
        if !spell.logged {
            spell.logged = true;
            tracing::warn!(
                listener = connections.label().as_str(),
                error = errno_name(error),
                open_connections = connections.open(),
                descriptor_limit = %Limit(getrlimit(Resource::Nofile).current),
                "accepting fails and pauses, clients wait in the kernel's queue: {error}"
            );
        }
    }

    /// Says that a connection was accepted, so that the next pause is a short one. The spell goes on: where each
    /// descriptor that comes free is taken at once, its end would be logged many times a second.
    pub(crate) fn accepted(&mut self) {
        if let Some(spell) = &mut self.spell {
            spell.pause = self.shortest;
            spell.in_a_row = 0;
        }
    }

    /// Says that nobody waits any more, which ends the spell.
    pub(crate) fn emptied(&mut self, connections: &Connections) {
        if let Some(spell) = self.spell.take()
            && spell.logged
        {
            tracing::info!(
                listener = connections.label().as_str(),
                failures = spell.failures,
                seconds = spell.begun.elapsed().as_secs_f64(),
                open_connections = connections.open(),
                "accepting goes on, the queue is empty"
            );
        }
    }
}

/// Tells whether an error speaks of the connection that would have been next, and not of the listener or the process:
/// accept(2) passes on what the network said of it meanwhile.
fn concerns_one_connection(error: &io::Error) -> bool {
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

struct Limit(Option<u64>);

impl fmt::Display for Limit {
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

    async fn paused(shortage: &mut Shortage) -> Duration {
        let begun = Instant::now();
        shortage.pause().await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest_and_start_anew_after_an_accept() {
        let connections = Connections::new("here");
        let mut shortage = Shortage::new(Duration::from_millis(100), Duration::from_secs(1));
        assert_eq!(paused(&mut shortage).await, Duration::ZERO);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            shortage.failed(&error(libc::EMFILE), &connections);
            pauses.push(paused(&mut shortage).await.as_millis());
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(
            paused(&mut shortage).await,
            Duration::ZERO,
            "each failure pauses once"
        );
        shortage.accepted();
        shortage.failed(&error(libc::ENFILE), &connections);
        assert_eq!(paused(&mut shortage).await.as_millis(), 100);
        assert!(shortage.lasts() > Duration::from_secs(3), "the spell goes on");
        shortage.emptied(&connections);
        assert_eq!(shortage.lasts(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn pause_survives_that_waiting_for_it_is_given_up() {
        let mut shortage = Shortage::new(Duration::from_millis(100), Duration::from_secs(1));
        shortage.failed(&error(libc::EMFILE), &Connections::new("here"));
        let given_up = tokio::time::timeout(Duration::from_millis(30), shortage.pause()).await;
        assert!(given_up.is_err());
        assert_eq!(paused(&mut shortage).await.as_millis(), 70);
    }

    #[tokio::test(start_paused = true)]
    async fn failed_connections_cost_no_pause_unless_there_is_no_end_of_them() {
        let connections = Connections::new("here");
        let mut shortage = Shortage::new(Duration::from_millis(100), Duration::from_secs(1));
        for _ in 0..AT_ONCE {
            shortage.failed(&error(libc::ECONNABORTED), &connections);
            assert_eq!(paused(&mut shortage).await, Duration::ZERO);
        }
        shortage.failed(&error(libc::ECONNABORTED), &connections);
        assert_eq!(paused(&mut shortage).await.as_millis(), 100);
    }
}
