//! The state shared by the connections of one listener.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use campanile_backlog::WaitRecorder;
use campanile_lifecycle::{LifecycleHandle, PhaseReached};
use campanile_listen::{ListenAddress, ListenerLabel};
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use tokio::time::Instant;

use crate::abort_log::AbortLog;
use crate::metrics::ListenerMetrics;
use crate::timeouts::ConnectionTimeouts;
#[cfg(feature = "tls")]
use crate::tls::TlsTerminator;

pub(crate) struct ListenerContext {
    pub(crate) label: ListenerLabel,
    pub(crate) address: ListenAddress,
    pub(crate) handle: LifecycleHandle,
    /// Only read, never polled.
    pub(crate) cutting: PhaseReached,
    pub(crate) timeouts: ConnectionTimeouts,
    pub(crate) queue_wait: WaitRecorder,
    pub(crate) metrics: ListenerMetrics,
    pub(crate) abort_log: Arc<AbortLog>,
    pub(crate) http1: http1::Builder,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsTerminator>,
}

impl ListenerContext {
    pub(crate) fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Returns a random delay within the first half of the remaining drain time, so that clients do not reconnect at once.
    pub(crate) fn random_drain_delay(&self) -> Duration {
        let left = self
            .handle
            .drain_deadline()
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
        left.mul_f64(0.5 * fastrand::f64())
    }
}

/// Returns a builder without hyper's timer for heads. That one starts while a kept-alive connection is idle, which would
/// limit the idle time, and allocates for each request; the connection's task keeps this time instead.
pub(crate) fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    builder
}

impl fmt::Debug for ListenerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenerContext")
            .field("label", &self.label)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}
