//! The configuration shared by all endpoints.

use std::pin::Pin;
use std::sync::Arc;

use http::Extensions;

use crate::blocking_pool::BlockingPool;
use crate::exposition::{BoxError, Exposition};
use crate::live::{DEFAULT_HISTORY, LiveFeed};
use crate::service::AccessRules;
use crate::{CheckResult, Peer, RequestRow, ServicePhase, ServiceStatus};

pub(crate) type Callback<T> = Option<Arc<dyn Fn() -> T + Send + Sync>>;
pub(crate) type Checks = Pin<Box<dyn Future<Output = Vec<CheckResult>> + Send>>;
pub(crate) type FindPeer = dyn Fn(&Extensions) -> Option<Peer> + Send + Sync;
pub(crate) type Render = dyn Fn(&str) -> Result<Option<Exposition>, BoxError> + Send + Sync;
pub(crate) type WriteFilter = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// The callbacks, settings and shared state behind all endpoints. Clones share the callbacks and the state.
#[derive(Clone)]
pub(crate) struct AdminConfig {
    pub(crate) render: Option<Arc<Render>>,
    pub(crate) live_metrics: Callback<String>,
    pub(crate) status: Callback<ServiceStatus>,
    pub(crate) checks: Callback<Checks>,
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
    pub(crate) live: Arc<LiveFeed>,
    /// Runs `render` for scrapes.
    pub(crate) scrape_pool: BlockingPool,
    /// Runs `requests` for `/requests`.
    pub(crate) requests_pool: BlockingPool,
}

/// The callbacks behind `/log-level`.
#[derive(Clone)]
pub(crate) struct LogFilter {
    pub(crate) read: Arc<dyn Fn() -> String + Send + Sync>,
    pub(crate) write: Arc<WriteFilter>,
}

impl AdminConfig {
    /// Returns the status of the service.
    pub(crate) fn status(&self) -> ServiceStatus {
        let ready = || ServiceStatus::new(ServicePhase::Ready);
        self.status.as_ref().map_or_else(ready, |status| status())
    }

    /// Runs the readiness checks.
    pub(crate) async fn run_checks(&self) -> Vec<CheckResult> {
        match &self.checks {
            Some(checks) => checks().await,
            None => Vec::new(),
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
            live: Arc::default(),
            scrape_pool: BlockingPool::new(4),
            requests_pool: BlockingPool::new(2),
        }
    }
}
