//! The configuration shared by all endpoints.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Extensions;

use crate::closure_thread::{BoxFuture, ClosureError, ClosureThread};
use crate::exposition::{BoxError, Exposition};
use crate::live::{DEFAULT_HISTORY, DEFAULT_LIVE_BYTES, LiveFeed};
use crate::service::{AccessRules, Scrapes};
use crate::{CheckResult, Peer, RequestRow, ServicePhase, ServiceStatus};

pub(crate) type Callback<T> = Option<Arc<dyn Fn() -> T + Send + Sync>>;
pub(crate) type FindPeer = dyn Fn(&Extensions) -> Option<Peer> + Send + Sync;
pub(crate) type Render = dyn Fn(&str) -> Result<Option<Exposition>, BoxError> + Send + Sync;
pub(crate) type WriteFilter = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// The time that a callback may take by default.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(10);

/// The callbacks, settings and shared state behind all endpoints. Clones share the callbacks and the state.
#[derive(Clone)]
pub(crate) struct AdminConfig {
    pub(crate) render: Option<Arc<Render>>,
    pub(crate) live_metrics: Callback<String>,
    pub(crate) status: Callback<ServiceStatus>,
    pub(crate) checks: Callback<BoxFuture<Vec<CheckResult>>>,
    pub(crate) requests: Callback<Vec<RequestRow>>,
    pub(crate) drain: Callback<()>,
    pub(crate) log_filter: Option<LogFilter>,
    pub(crate) config_text: Callback<String>,
    pub(crate) find_peer: Option<Arc<FindPeer>>,
    pub(crate) access: AccessRules,
    pub(crate) service_name: String,
    pub(crate) version: String,
    pub(crate) shared_port: bool,
    pub(crate) history_seconds: usize,
    pub(crate) live_bytes: usize,
    pub(crate) callback_timeout: Duration,
    pub(crate) live: Arc<LiveFeed>,
    pub(crate) scrapes: Arc<Scrapes>,
    pub(crate) threads: ClosureThreads,
    /// Whether the service drained when its status was last read.
    draining: Arc<AtomicBool>,
}

/// The callbacks behind `/log-level`.
#[derive(Clone)]
pub(crate) struct LogFilter {
    pub(crate) read: Arc<dyn Fn() -> String + Send + Sync>,
    pub(crate) write: Arc<WriteFilter>,
}

/// The threads of the callbacks, one each: a callback that hangs delays no other.
#[derive(Clone)]
pub(crate) struct ClosureThreads {
    pub(crate) metrics: ClosureThread,
    pub(crate) live: ClosureThread,
    pub(crate) status: ClosureThread,
    pub(crate) checks: ClosureThread,
    pub(crate) requests: ClosureThread,
    pub(crate) drain: ClosureThread,
    pub(crate) log_level: ClosureThread,
    pub(crate) config: ClosureThread,
    pub(crate) peer: ClosureThread,
}

impl AdminConfig {
    /// Reads the status of the service.
    pub(crate) async fn status(&self) -> Result<ServiceStatus, ClosureError> {
        let Some(status) = self.status.clone() else {
            return Ok(ServiceStatus::new(ServicePhase::Ready));
        };
        let draining = Arc::clone(&self.draining);
        let read = move || {
            let status = status();
            draining.store(status.is_draining(), Ordering::Relaxed);
            status
        };
        self.threads.status.run(self.callback_timeout, read).await
    }

    /// Returns whether the service drained when its status was last read.
    pub(crate) fn was_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Runs the readiness checks. If they exceed the time limit, the result is a failed check named `checks`.
    pub(crate) async fn run_checks(&self) -> Result<Vec<CheckResult>, ClosureError> {
        let Some(checks) = self.checks.clone() else {
            return Ok(Vec::new());
        };
        let run = self
            .threads
            .checks
            .run_future(self.callback_timeout, move || checks());
        match run.await {
            Err(ClosureError::Panicked) => Err(ClosureError::Panicked),
            Err(error) => Ok(vec![CheckResult::failed("checks", error.to_string())]),
            Ok(results) => Ok(results),
        }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            render: None,
            live_metrics: None,
            status: None,
            checks: None,
            requests: None,
            drain: None,
            log_filter: None,
            config_text: None,
            find_peer: None,
            access: AccessRules::default(),
            service_name: String::new(),
            version: String::new(),
            shared_port: false,
            history_seconds: DEFAULT_HISTORY,
            live_bytes: DEFAULT_LIVE_BYTES,
            callback_timeout: CALLBACK_TIMEOUT,
            live: Arc::default(),
            scrapes: Arc::default(),
            threads: ClosureThreads::default(),
            draining: Arc::default(),
        }
    }
}

impl Default for ClosureThreads {
    fn default() -> Self {
        Self {
            metrics: ClosureThread::new("admin:metrics"),
            live: ClosureThread::new("admin:live"),
            status: ClosureThread::new("admin:status"),
            checks: ClosureThread::new("admin:checks"),
            requests: ClosureThread::new("admin:requests"),
            drain: ClosureThread::new("admin:drain"),
            log_level: ClosureThread::new("admin:log_level"),
            config: ClosureThread::new("admin:config"),
            peer: ClosureThread::new("admin:peer"),
        }
    }
}
