//! What the caller gave, shared by all parts.

use std::pin::Pin;
use std::sync::Arc;

use http::Extensions;

use crate::exposition::{BoxError, Exposition};
use crate::lane::Lane;
use crate::live::{LENGTH, Live};
use crate::service::Gate;
use crate::{Check, Peer, Phase, Request, Status};

pub(crate) type Render = dyn Fn(&str) -> Result<Option<Exposition>, BoxError> + Send + Sync;
pub(crate) type Shared<T> = Option<Arc<dyn Fn() -> T + Send + Sync>>;
pub(crate) type WriteFilter = dyn Fn(&str) -> Result<(), String> + Send + Sync;
pub(crate) type FindPeer = dyn Fn(&Extensions) -> Option<Peer> + Send + Sync;
pub(crate) type Checks = Pin<Box<dyn Future<Output = Vec<Check>> + Send>>;

/// Everything that the endpoints answer from. Cloning shares the closures.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) render: Option<Arc<Render>>,
    pub(crate) live_text: Shared<String>,
    pub(crate) status: Shared<Status>,
    pub(crate) checks: Shared<Checks>,
    pub(crate) requests: Shared<Vec<Request>>,
    pub(crate) drain: Shared<()>,
    pub(crate) log_level: Option<LogLevel>,
    pub(crate) config: Shared<String>,
    pub(crate) peer: Option<Arc<FindPeer>>,
    pub(crate) gate: Gate,
    pub(crate) service_name: String,
    pub(crate) version: String,
    pub(crate) shared_port: bool,
    pub(crate) live: Arc<Live>,
    /// So many samples are kept.
    pub(crate) history: usize,
    /// Where metrics are rendered.
    pub(crate) scrapes: Lane,
    /// Where the table of requests is read.
    pub(crate) tables: Lane,
}

/// How the filter of the log is read and written.
#[derive(Clone)]
pub(crate) struct LogLevel {
    pub(crate) read: Arc<dyn Fn() -> String + Send + Sync>,
    pub(crate) write: Arc<WriteFilter>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            render: None,
            live_text: None,
            status: None,
            checks: None,
            requests: None,
            drain: None,
            log_level: None,
            config: None,
            peer: None,
            gate: Gate::default(),
            service_name: String::new(),
            version: String::new(),
            shared_port: false,
            live: Arc::default(),
            history: LENGTH,
            scrapes: Lane::new(4),
            tables: Lane::new(2),
        }
    }
}

impl Settings {
    /// Tells how far the service is. One that does not say so is ready.
    pub(crate) fn status(&self) -> Status {
        let ready = || Status::new(Phase::Ready);
        self.status.as_ref().map_or_else(ready, |status| status())
    }

    /// Asks the named checks.
    pub(crate) fn checks(&self) -> Checks {
        match &self.checks {
            Some(checks) => checks(),
            None => Box::pin(std::future::ready(Vec::new())),
        }
    }
}
