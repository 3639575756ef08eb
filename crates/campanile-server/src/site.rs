//! What all connections of one listener share.

use std::fmt;
use std::sync::Arc;

use campanile_backlog::WaitRecorder;
use campanile_lifecycle::{LifecycleHandle, PhaseReached};
use campanile_listen::{ListenAddress, ListenerLabel};
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;

use crate::cut::CutLog;
use crate::limits::Limits;
#[cfg(feature = "tls")]
use crate::tls::Terminator;

pub(crate) struct Site {
    pub(crate) label: ListenerLabel,
    pub(crate) address: ListenAddress,
    pub(crate) handle: LifecycleHandle,
    /// Never polled, only looked at.
    pub(crate) cutting: PhaseReached,
    pub(crate) limits: Limits,
    pub(crate) queue_wait: WaitRecorder,
    pub(crate) cut_log: Arc<CutLog>,
    pub(crate) http1: http1::Builder,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Terminator>,
}

impl Site {
    pub(crate) fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }
}

/// hyper's own timer for heads begins while a kept-alive connection is idle and is allocated for each request, so it
/// would cap the idle time and cost more than the rest: the connection's task keeps the time instead.
pub(crate) fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    builder
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("label", &self.label)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
