//! The log lines of a monitor.

use std::io;
use std::sync::Once;
use std::time::{Duration, Instant};

use crate::kernel;

/// The limit that `TcpListener::bind` of std, mio and tokio passes to listen(2).
const LIBRARY_DEFAULT: u32 = 128;

/// Time without overflows after which the next one is logged again.
const OVERFLOW_QUIET: Duration = Duration::from_secs(600);

/// What was logged about one listener, so that it is not repeated.
#[derive(Debug, Default)]
pub(crate) struct ListenerLog {
    failing: bool,
    last_overflow: Option<Instant>,
}

impl ListenerLog {
    pub(crate) fn on_error(&mut self, listener: &str, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(
                listener,
                %error,
                "failed to sample the accept queue; its gauges are stale until sampling succeeds"
            );
        }
    }

    pub(crate) fn on_success(&mut self, listener: &str) {
        if std::mem::take(&mut self.failing) {
            tracing::info!(listener, "sampling the accept queue succeeds again");
        }
    }

    /// Logs the start of a series of overflows.
    pub(crate) fn on_overflow(&mut self, listener: &str, pending: u32, limit: u32, overflows: u32) {
        let now = Instant::now();
        let before = self.last_overflow.replace(now);
        if before.is_none_or(|before| now.duration_since(before) >= OVERFLOW_QUIET) {
            tracing::warn!(
                listener,
                pending,
                limit,
                overflows,
                somaxconn = kernel::somaxconn(),
                "the accept queue is full, and clients retry after a second or more; accept faster, or raise the limit \
                 passed to listen()"
            );
        }
    }
}

/// Warns if the limit is not the requested one, or is probably a default.
pub(crate) fn check_limit(listener: &str, limit: u32, requested: Option<u32>) {
    let somaxconn = kernel::somaxconn();
    match requested {
        Some(requested) if requested == limit => {}
        Some(requested) if Some(limit) == somaxconn => tracing::warn!(
            listener,
            limit,
            requested,
            somaxconn = limit,
            "the limit of the accept queue was capped by net.core.somaxconn; raise it in this network namespace"
        ),
        Some(requested) => tracing::warn!(
            listener,
            limit,
            requested,
            "the limit of the accept queue is not the requested one"
        ),
        None if limit == LIBRARY_DEFAULT => tracing::warn!(
            listener,
            limit,
            somaxconn,
            "the limit of the accept queue is the default of std, mio and tokio; pass your own to listen(), or confirm \
             it with WatchOptions::with_requested_limit"
        ),
        None if Some(limit) == somaxconn => tracing::warn!(
            listener,
            limit,
            somaxconn,
            "the limit of the accept queue equals net.core.somaxconn and may have been capped; set the requested limit \
             with WatchOptions::with_requested_limit"
        ),
        None => {}
    }
}

/// Warns once that this system is not supported.
pub(crate) fn unsupported() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::warn!(
            "accept queues can be inspected on Linux only; there will be no listener_backlog metrics"
        );
    });
}
