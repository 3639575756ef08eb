//! What a monitor says to the log, with the numbers that help.

use std::io;
use std::time::{Duration, Instant};

use crate::kernel;

/// The limit that `TcpListener::bind` of std, mio and tokio asks for without being told to.
const LIBRARIES_LIMIT: u32 = 128;

/// After so long without a full queue, the next one is news again.
const QUIET: Duration = Duration::from_secs(600);

/// What was said of one listener, so that it is not said again.
#[derive(Debug, Default)]
pub(crate) struct Said {
    fails: bool,
    full: Option<Instant>,
}

/// Warns where the limit is not what the program asked for, or nobody asked for it.
pub(crate) fn judge_limit(listener: &str, limit: u32, requested: Option<u32>) {
    let somaxconn = kernel::somaxconn();
    match requested {
        Some(requested) if requested == limit => {}
        Some(requested) if Some(limit) == somaxconn => tracing::warn!(
            listener,
            limit,
            requested,
            somaxconn = limit,
            "net.core.somaxconn cut the limit of the accept queue: raise it, in the container's network namespace"
        ),
        Some(requested) => tracing::warn!(
            listener,
            limit,
            requested,
            "the accept queue has another limit than was asked for"
        ),
        None if limit == LIBRARIES_LIMIT => tracing::warn!(
            listener,
            limit,
            somaxconn,
            "the accept queue has the limit that std, mio and tokio choose: give listen() one of your own, or say that \
             it is by WatchOptions::with_requested_limit"
        ),
        None if Some(limit) == somaxconn => tracing::warn!(
            listener,
            limit,
            somaxconn,
            "the limit of the accept queue is net.core.somaxconn: what was asked for may have been cut to it; say what \
             it was by WatchOptions::with_requested_limit"
        ),
        None => {}
    }
}

/// Says once that there is nothing to be had on this system.
pub(crate) fn unsupported() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        tracing::warn!("accept queues are known on Linux only: there will be no listener_backlog series")
    });
}

impl Said {
    pub(crate) fn failed(&mut self, listener: &str, error: &io::Error) {
        if !std::mem::replace(&mut self.fails, true) {
            tracing::warn!(listener, %error, "the accept queue could not be sampled: its gauges are old until it can");
        }
    }

    pub(crate) fn succeeded(&mut self, listener: &str) {
        if std::mem::take(&mut self.fails) {
            tracing::info!(listener, "the accept queue is sampled again");
        }
    }

    /// Says that a queue was full, when that begins.
    pub(crate) fn overflowed(&mut self, listener: &str, pending: u32, limit: u32, times: u32) {
        let now = Instant::now();
        let before = self.full.replace(now);
        if before.is_none_or(|before| now.duration_since(before) >= QUIET) {
            tracing::warn!(
                listener,
                pending,
                limit,
                overflows = times,
                somaxconn = kernel::somaxconn(),
                "the accept queue is full, and clients wait a second and more to try again: accept faster, or raise the \
                 limit given to listen()"
            );
        }
    }
}
