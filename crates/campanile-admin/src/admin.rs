//! The builder of the admin port.

use std::fmt;
#[cfg(unix)]
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use ipnet::IpNet;

#[cfg(unix)]
use crate::AdminListener;
use crate::config::{AdminConfig, LogFilter};
use crate::exposition::IntoExposition;
use crate::live::HISTORY_RANGE;
use crate::{AdminService, CheckResult, Peer, RequestRow, Sampler, ServiceStatus};

/// Configures the endpoints of an admin port and who may access them. See the [crate docs](crate).
///
/// An endpoint whose callback is not set responds with 404. Clones share the callbacks and the history of the live page.
#[derive(Clone, Default)]
pub struct Admin {
    config: AdminConfig,
}

impl Admin {
    /// Creates an admin port that only serves probes and an empty live page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `/metrics` from `render`, which returns a text or an [`Exposition`](crate::Exposition), either of them optionally
    /// in an `Option` or a `Result`. Its argument is the value of the `Accept` header, empty without one.
    ///
    /// `render` runs on a blocking thread, one call at a time. After the time limit the response is a 503. Requests that arrive
    /// while a response is unfinished share its text for a second; beyond eight unfinished responses further ones get a 503.
    #[must_use]
    pub fn with_metrics<F, X>(mut self, render: F) -> Self
    where
        F: Fn(&str) -> X + Send + Sync + 'static,
        X: IntoExposition,
    {
        self.config.render = Some(Arc::new(move |accept: &str| render(accept).into_exposition()));
        self
    }

    /// Feeds the live page from `text` instead of `/metrics`: the metrics it shows, under their default names, in the Prometheus
    /// text format. For services whose `/metrics` uses other names or has no text.
    ///
    /// `text` is called once a second, on a blocking thread, and less often if that takes too much time.
    #[must_use]
    pub fn with_live_metrics<F>(mut self, text: F) -> Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.config.live_metrics = Some(Arc::new(text));
        self
    }

    /// Sets how much history the live page shows, in whole seconds, clamped to 2 seconds to 1 hour. Default: 5 minutes.
    ///
    /// Each second takes a few hundred bytes of memory, and of the transfer when a page is opened.
    #[must_use]
    pub fn with_history(mut self, history: Duration) -> Self {
        let seconds = usize::try_from(history.as_secs()).unwrap_or(usize::MAX);
        self.config.history_seconds = seconds.clamp(*HISTORY_RANGE.start(), *HISTORY_RANGE.end());
        self
    }

    /// Sets the longest text of the metrics that the live page reads, in bytes. Default: 4 MiB.
    ///
    /// A longer text is refused, and the page says so: [`with_live_metrics`](Self::with_live_metrics) can provide a shorter one.
    #[must_use]
    pub fn with_live_limit(mut self, bytes: usize) -> Self {
        self.config.live_bytes = bytes;
        self
    }

    /// Sets how long a callback may take. After that the response is a 503, and the callback is not called again before it
    /// returns. `/livez` depends on no callback. Default: 10 seconds.
    #[must_use]
    pub fn with_callback_timeout(mut self, timeout: Duration) -> Self {
        self.config.callback_timeout = timeout;
        self
    }

    /// Sets the source of the service's phase. It is called for every probe and once a second, on a blocking
    /// thread, and should cost no more than a few atomic loads. Without it the service is [`Ready`](crate::ServicePhase::Ready).
    #[must_use]
    pub fn with_status<F, T>(mut self, status: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Into<ServiceStatus>,
    {
        self.config.status = Some(Arc::new(move || status().into()));
        self
    }

    /// Sets the named readiness checks. They run for readiness and `/_status/check` only, before the status is read. Responses
    /// wait for them, so each check should have a timeout of its own. They are polled on a blocking thread.
    #[must_use]
    pub fn with_checks<F, C>(mut self, checks: F) -> Self
    where
        F: Fn() -> C + Send + Sync + 'static,
        C: Future<Output = Vec<CheckResult>> + Send + 'static,
    {
        self.config.checks = Some(Arc::new(move || Box::pin(checks())));
        self
    }

    /// Sets the source of the requests in flight, in any order. It is called on a blocking thread.
    #[must_use]
    pub fn with_requests<F>(mut self, requests: F) -> Self
    where
        F: Fn() -> Vec<RequestRow> + Send + Sync + 'static,
    {
        self.config.requests = Some(Arc::new(requests));
        self
    }

    /// Sets the callback that starts the drain. It must not wait for the drain to end, and runs for every `POST /drain`. Its
    /// return value is ignored.
    #[must_use]
    pub fn with_drain<F, R>(mut self, drain: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
    {
        self.config.drain = Some(Arc::new(move || {
            drain();
        }));
        self
    }

    /// Serves `/log-level` from these callbacks. An error of `write` is the text of a 400 response.
    #[must_use]
    pub fn with_log_level<R, W>(mut self, read: R, write: W) -> Self
    where
        R: Fn() -> String + Send + Sync + 'static,
        W: Fn(&str) -> Result<(), String> + Send + Sync + 'static,
    {
        self.config.log_filter = Some(LogFilter {
            read: Arc::new(read),
            write: Arc::new(write),
        });
        self
    }

    /// Serves the effective configuration as plain text. Leave secrets out.
    #[must_use]
    pub fn with_config<F>(mut self, config: F) -> Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.config.config_text = Some(Arc::new(config));
        self
    }

    /// Grants full access to requests with `Authorization: Bearer <token>`, from any address. An empty token grants none.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.config.access.token = Some(token.into()).filter(|token| !token.is_empty());
        self
    }

    /// Grants clients of this network the same access as clients on this machine. Can be called repeatedly.
    #[must_use]
    pub fn with_allowed_network(mut self, network: impl Into<IpNet>) -> Self {
        self.config.access.networks.push(network.into());
        self
    }

    /// Accepts this name in `Host`, in addition to `localhost` and IP addresses. Can be called repeatedly.
    #[must_use]
    pub fn with_allowed_host(mut self, name: impl Into<String>) -> Self {
        self.config.access.hosts.push(name.into());
        self
    }

    /// Sets whether `/metrics` needs a local client, an allowed network or the token. Default: false.
    #[must_use]
    pub fn with_private_metrics(mut self, private: bool) -> Self {
        self.config.access.private_metrics = private;
        self
    }

    /// Sets how to find the client of a request among its extensions, for a service mounted in another server. Without it, and
    /// without a [`Peer`] among the extensions, private endpoints need the token.
    #[must_use]
    pub fn with_peer<F>(mut self, find: F) -> Self
    where
        F: Fn(&Extensions) -> Option<Peer> + Send + Sync + 'static,
    {
        self.config.find_peer = Some(Arc::new(find));
        self
    }

    /// Sets whether other processes listen on the same port. If so, probes include the `pid` of the responding process, as
    /// `/requests` always does, and `/drain` requires `?pid=`. Default: false.
    #[must_use]
    pub fn with_shared_port(mut self, shared: bool) -> Self {
        self.config.shared_port = shared;
        self
    }

    /// Sets the service name shown on the live page.
    #[must_use]
    pub fn with_service_name(mut self, name: impl Into<String>) -> Self {
        self.config.service_name = name.into();
        self
    }

    /// Sets the version or revision, which is shown on the live page and returned by `/_status/ping` and `/_status/check`.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.config.version = version.into();
        self
    }

    /// Returns a service with all endpoints, to mount in another server. Its live page needs a running
    /// [`sampler`](Self::sampler).
    #[must_use]
    pub fn service(&self) -> AdminService {
        AdminService::new(self.config.clone())
    }

    /// Returns a service with only `/_status/ping`, `/_status/check` and `/health`, which any client may access.
    #[must_use]
    pub fn probes(&self) -> AdminService {
        AdminService::with_probes_only(self.config.clone())
    }

    /// Returns the task that samples the metrics once a second for the live page. All clones of the service share one.
    #[must_use]
    pub fn sampler(&self) -> Sampler {
        Sampler::new(self.config.clone())
    }

    /// Serves `listener` on the current thread, in a runtime of its own, until `until` completes.
    ///
    /// Use a dedicated thread, and let `until` complete after everything else, so that the shutdown stays observable to its end.
    /// Responses in flight then have half a second to complete.
    ///
    /// # Errors
    ///
    /// Returns an error if the listener cannot be bound or registered, if the runtime cannot be built, or if the thread is
    /// already running a tokio runtime.
    #[cfg(unix)]
    pub fn run_blocking<U>(self, listener: impl Into<AdminListener>, until: U) -> io::Result<()>
    where
        U: Future<Output = ()>,
    {
        crate::server::run_blocking(self.config, listener.into(), until)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("service_name", &self.config.service_name)
            .field("version", &self.config.version)
            .finish_non_exhaustive()
    }
}
