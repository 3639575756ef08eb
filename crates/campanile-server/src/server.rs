//! The builder of a server.

use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use campanile_backlog::Saturation;
use campanile_lifecycle::{Lifecycle, Report, ShutdownConfig};
use campanile_listen::{Bind, Listener};
use campanile_metrics::RecorderHandle;
#[cfg(feature = "admin")]
use campanile_recorder::CellRecorder;
use http::Response;
use http_body::Body;
use hyper::Request;
use hyper::body::Incoming;
use tower::Service;

use crate::abort_log::{AbortLog, log_stuck_requests};
#[cfg(feature = "admin")]
use crate::admin::{AdminConfig, AdminPort};
use crate::backlog::{BacklogConfig, QueueMonitor};
use crate::bind_target::{BindSource, BindTarget};
use crate::bound_server::BoundServer;
use crate::connection_limit::ConnectionLimit;
use crate::error::{ServeError, ServeErrorKind};
use crate::eviction::EvictionRegistry;
use crate::hangup::ReloadOnHangup;
use crate::limits::{HttpLimits, MAX_WINDOW, MIN_CONNECTION_WINDOW};
use crate::listener_context::ListenerContext;
use crate::metrics::ListenerMetrics;
use crate::runtime::ServerRuntime;
use crate::service::BoxError;
use crate::timeouts::{ConnectionTimeouts, MAX_TIMEOUT};
#[cfg(feature = "tls")]
use crate::tls::{Tls, TlsTerminator};

/// Serves a tower service over HTTP/1 and HTTP/2 on any number of listeners, and shuts down gracefully. See the
/// [crate docs](crate).
#[must_use = "binds and serves nothing until `run`"]
pub struct Server<S> {
    service: S,
    targets: Vec<BindTarget>,
    timeouts: ConnectionTimeouts,
    limits: HttpLimits,
    shutdown: ShutdownConfig,
    lifecycle: Option<Lifecycle>,
    max_connections: ConnectionLimit,
    eviction: bool,
    keepalive: Option<Duration>,
    recorder: RecorderHandle,
    backlog: BacklogConfig,
    #[cfg(feature = "admin")]
    admin: Option<AdminConfig>,
    #[cfg(feature = "admin")]
    admin_metrics: Option<CellRecorder>,
}

impl<S> Server<S> {
    /// Creates a server of a service: an `axum::Router`, tonic's `Routes` or a generated server, or any tower service. It
    /// is cloned for each request. Add at least one listener.
    pub fn new(service: S) -> Self {
        Self {
            service,
            targets: Vec::new(),
            timeouts: ConnectionTimeouts::default(),
            limits: HttpLimits::default(),
            shutdown: ShutdownConfig::new(),
            lifecycle: None,
            max_connections: ConnectionLimit::default(),
            eviction: false,
            keepalive: Some(Duration::from_secs(60)),
            recorder: RecorderHandle::global(),
            backlog: BacklogConfig::default(),
            #[cfg(feature = "admin")]
            admin: None,
            #[cfg(feature = "admin")]
            admin_metrics: None,
        }
    }

    /// Listens on an address such as `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`; port 0 chooses a free port. Each call
    /// adds a listener.
    pub fn bind(self, address: impl fmt::Display) -> Self {
        self.target(BindTarget::new(BindSource::Address(address.to_string())))
    }

    /// Listens on an address with options, such as a backlog, a mode or a connection limit.
    pub fn bind_with(self, bind: Bind) -> Self {
        self.target(BindTarget::new(BindSource::Bind(bind)))
    }

    /// Serves a listener that is already bound, or inherited.
    ///
    /// It keeps its own connection limit; [`max_connections`](Self::max_connections) does not apply.
    pub fn listener(self, listener: Listener) -> Self {
        self.target(BindTarget::new(BindSource::Listener(listener)))
    }

    /// Listens on an address with TLS.
    #[cfg(feature = "tls")]
    pub fn bind_tls(self, address: impl fmt::Display, tls: Tls) -> Self {
        self.target(BindTarget::with_tls(
            BindSource::Address(address.to_string()),
            tls,
        ))
    }

    /// Serves a listener that is already bound, or inherited, with TLS.
    #[cfg(feature = "tls")]
    pub fn listener_tls(self, listener: Listener, tls: Tls) -> Self {
        self.target(BindTarget::with_tls(BindSource::Listener(listener), tls))
    }

    /// Sets how long to go on serving after a shutdown is requested, while clients are asked to reconnect elsewhere.
    /// Defaults to 5 seconds.
    pub fn drain_time(mut self, drain_time: Duration) -> Self {
        self.shutdown = self.shutdown.with_drain_time(drain_time);
        self
    }

    /// Sets how long to wait, after the drain time, for requests in flight. Defaults to 10 seconds.
    pub fn stop_timeout(mut self, stop_timeout: Duration) -> Self {
        self.shutdown = self.shutdown.with_stop_timeout(stop_timeout);
        self
    }

    /// Sets whether the exit code is 3 when work was cut at the stop timeout. By default it is 0.
    pub fn exit_nonzero_when_cut(mut self, nonzero: bool) -> Self {
        self.shutdown = self.shutdown.with_exit_nonzero_when_cut(nonzero);
        self
    }

    /// Sets how long a request head may take from its first byte to its last, and an HTTP/2 client from its preface to its
    /// first request. Defaults to 30 seconds.
    pub fn header_read_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.header_read = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets how long a client may be silent within the body of an HTTP/1 request that its handler reads; `None` disables it.
    /// Defaults to 60 seconds. The client gets 408 if the response has not begun, and the connection is closed.
    pub fn body_read_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeouts.body_read = timeout.into().map(|timeout| timeout.min(MAX_TIMEOUT));
        self
    }

    /// Sets how long a new connection may take to its first bytes. Defaults to 10 seconds.
    pub fn sniff_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.sniff = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets how long a TLS handshake may take. Defaults to 10 seconds.
    #[cfg(feature = "tls")]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.handshake = timeout.min(MAX_TIMEOUT);
        self
    }

    /// Sets how long a connection may be without a request, or a response without progress because the client does not take
    /// it; `None` disables it. Over HTTP/2 the stream is reset, and the others go on. Defaults to 75 seconds, above the 60 after which common load balancers close their side.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeouts.idle = timeout.into().map(|timeout| timeout.min(MAX_TIMEOUT));
        self
    }

    /// Sets the age at which a connection is closed gracefully, plus or minus a tenth, so that clients spread over servers
    /// that started later. Not limited by default.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.timeouts.max_age = age.into().map(|age| age.min(MAX_TIMEOUT));
        self
    }

    /// Limits the open connections of each listener that [`bind`](Self::bind) adds; `None` disables it. At the limit
    /// accepting pauses, and clients wait in the accept queue. Zero is an error at [`try_bind`](Self::try_bind).
    ///
    /// Defaults to the soft limit of open files at `try_bind`, less a reserve of an eighth, and at least of 64, for outgoing
    /// connections, files and other listeners.
    pub fn max_connections(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.max_connections = ConnectionLimit::Fixed(limit.into());
        self
    }

    /// Sets whether silent connections give way at the connection limit: while a client waits in the accept queue, the
    /// connection without a request that has been silent longest is closed, if it has been silent for a second. Disabled by
    /// default.
    ///
    /// A connection with a request in progress, with bytes that wait in the kernel, with a TLS handshake in progress, or that
    /// is upgraded never gives way. It applies to all listeners, also to those that have a limit of their own.
    pub fn eviction(mut self, enabled: bool) -> Self {
        self.eviction = enabled;
        self
    }

    /// Sets after how long without a packet the kernel probes whether a TCP client is still there; `None` disables it.
    /// Defaults to 60 seconds, so that a client that vanished without closing its connection is noticed after two minutes,
    /// also under a WebSocket or a long wait. A listener with a keepalive of its own keeps it.
    pub fn keepalive(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.keepalive = idle.into();
        self
    }

    /// Limits the size of a request head, in bytes: the request line and all header fields as HTTP/1 spells them, over both
    /// versions of HTTP. Larger heads get 431, gRPC calls `RESOURCE_EXHAUSTED`. Defaults to 64 KiB. Zero is an error at
    /// [`try_bind`](Self::try_bind).
    ///
    /// It also limits the trailers of a chunked request.
    pub fn max_head_bytes(mut self, limit: usize) -> Self {
        self.limits.max_head_bytes = limit;
        self
    }

    /// Limits the header fields of a request. More of them get 431, gRPC calls `RESOURCE_EXHAUSTED`. Defaults to 100; any
    /// other value makes hyper allocate for each HTTP/1 request. Zero is an error at [`try_bind`](Self::try_bind).
    pub fn max_headers(mut self, limit: usize) -> Self {
        self.limits.max_headers = limit;
        self
    }

    /// Limits the concurrent requests of an HTTP/2 connection. Defaults to 200. Zero is an error at
    /// [`try_bind`](Self::try_bind).
    pub fn h2_max_streams(mut self, limit: u32) -> Self {
        self.limits.h2_max_streams = limit;
        self
    }

    /// Sets how many bytes of an HTTP/2 request body a client may send before the handler has read them. Defaults to 1 MiB;
    /// at most 2 GiB minus 1. Zero is an error at [`try_bind`](Self::try_bind).
    pub fn h2_stream_window(mut self, bytes: u32) -> Self {
        self.limits.h2_stream_window = bytes.min(MAX_WINDOW);
        self
    }

    /// Sets how many bytes of all request bodies of an HTTP/2 connection a client may send before the handlers have read
    /// them. Defaults to 1 MiB; at least 65,535, which HTTP/2 grants to every client, and at most 2 GiB minus 1.
    pub fn h2_connection_window(mut self, bytes: u32) -> Self {
        self.limits.h2_connection_window = bytes.clamp(MIN_CONNECTION_WINDOW, MAX_WINDOW);
        self
    }

    /// Records connections, queues and the shutdown to `recorder` instead of the global one.
    pub fn recorder(mut self, recorder: impl Into<RecorderHandle>) -> Self {
        self.recorder = recorder.into();
        self
    }

    /// Opens an admin port from [`try_bind`](Self::try_bind) until the service has stopped: probes, metrics, requests in
    /// flight, a drain endpoint and a live page. It runs on a thread of its own, so it responds while the service is
    /// blocked. See the docs of campanile-admin for who may access what.
    ///
    /// It renders the recorder of [`admin_metrics`](Self::admin_metrics). Without one, and if no global recorder is
    /// installed, it installs a `CellRecorder`.
    #[cfg(feature = "admin")]
    pub fn admin(mut self, address: impl fmt::Display) -> Self {
        self.admin = Some(AdminConfig {
            address: address.to_string(),
            configure: None,
        });
        self
    }

    /// Opens an admin port and passes it to `configure`, which can add a name, a token, the log filter or the text of another
    /// recorder. See [`admin`](Self::admin).
    #[cfg(feature = "admin")]
    pub fn admin_with(
        mut self,
        address: impl fmt::Display,
        configure: impl FnOnce(campanile_admin::Admin) -> campanile_admin::Admin + Send + 'static,
    ) -> Self {
        self.admin = Some(AdminConfig {
            address: address.to_string(),
            configure: Some(Box::new(configure)),
        });
        self
    }

    /// Renders the metrics of `recorder` on the admin port. Where metrics are recorded is set by
    /// [`recorder`](Self::recorder).
    #[cfg(feature = "admin")]
    pub fn admin_metrics(mut self, recorder: CellRecorder) -> Self {
        self.admin_metrics = Some(recorder);
        self
    }

    /// Sets the interval at which the accept queues of its listeners are sampled; `None` disables it. Defaults to 250 ms.
    /// Zero is an error at [`try_bind`](Self::try_bind). See campanile-backlog for the metrics.
    pub fn backlog_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.backlog.interval = interval.into();
        self
    }

    /// Sets whether to measure how long each connection waited in the accept queue, for `listener_backlog_wait_seconds`
    /// and [`Connection::queue_wait`](crate::Connection::queue_wait). Enabled by default; costs a system call for each
    /// connection.
    pub fn queue_wait(mut self, measured: bool) -> Self {
        self.backlog.measure_wait = measured;
        self
    }

    /// Computes a saturation at each sample of the accept queues, which are added to its inputs.
    pub fn saturation(mut self, saturation: Saturation) -> Self {
        self.backlog.saturation = Some(saturation);
        self
    }

    /// Uses this lifecycle, with its latches, checks and notifier. Its own configuration then takes the place of
    /// [`drain_time`](Self::drain_time), [`stop_timeout`](Self::stop_timeout) and
    /// [`exit_nonzero_when_cut`](Self::exit_nonzero_when_cut), it records to its own recorder, and the server handles signals
    /// only if the lifecycle does: then also HUP.
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = Some(lifecycle);
        self
    }

    /// Binds the listeners and installs the signal handlers, without accepting yet: the addresses are known, and clients
    /// can connect.
    ///
    /// # Errors
    ///
    /// If there is no listener, if an address is invalid or cannot be bound, if a setting is out of range, or if the admin
    /// port or the signal handlers cannot be set up.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time enabled.
    pub fn try_bind(self) -> Result<BoundServer<S>, ServeError> {
        let Self {
            service,
            targets,
            timeouts,
            limits,
            shutdown,
            lifecycle,
            max_connections,
            eviction,
            keepalive,
            recorder,
            backlog,
            #[cfg(feature = "admin")]
            admin,
            #[cfg(feature = "admin")]
            admin_metrics,
        } = self;
        if targets.is_empty() {
            return Err(ServeErrorKind::NoListener.into());
        }
        if max_connections.get() == Some(0) {
            return Err(ServeErrorKind::Zero("max_connections").into());
        }
        if let Some(setting) = limits.zero() {
            return Err(ServeErrorKind::Zero(setting).into());
        }
        if backlog.interval.is_some_and(|interval| interval.is_zero()) {
            return Err(ServeErrorKind::Zero("backlog_interval").into());
        }
        // Before the first socket, so that a TERM from here on is kept until `run`.
        let lifecycle = match lifecycle {
            Some(lifecycle) => lifecycle,
            None => {
                let mut lifecycle = Lifecycle::new(shutdown)
                    .map_err(ServeErrorKind::Shutdown)?
                    .with_recorder(recorder);
                lifecycle.install_signals().map_err(ServeErrorKind::Signals)?;
                lifecycle
            }
        };
        let lifecycle = lifecycle.with_stuck_log(log_stuck_requests);
        let handle = lifecycle.handle();
        let abort_log = Arc::new(AbortLog::new());
        let http1 = limits.http1_builder();
        let mut queues = QueueMonitor::new(backlog, recorder);
        let bind = |target: BindTarget| {
            let mut listener = target.source.bind(max_connections.get(), recorder)?;
            if listener.keepalive().is_none() {
                listener = listener.with_keepalive(keepalive);
            }
            let evictions = eviction.then(Arc::<EvictionRegistry>::default);
            if let Some(evictions) = evictions.clone() {
                listener = listener.with_eviction(move || evictions.evict());
            }
            let context = ListenerContext {
                label: listener.label().clone(),
                address: listener.local_address().clone(),
                handle: handle.clone(),
                cutting: handle.cutting(),
                timeouts,
                queue_wait: queues.watch(&listener),
                metrics: ListenerMetrics::new(recorder, listener.label().clone()),
                abort_log: Arc::clone(&abort_log),
                limits,
                evictions,
                http1: http1.clone(),
                #[cfg(feature = "tls")]
                tls: target.tls.map(TlsTerminator::new),
            };
            Ok((listener, Arc::new(context)))
        };
        let listeners = targets
            .into_iter()
            .map(bind)
            .collect::<Result<Vec<_>, ServeError>>()?;
        #[cfg(feature = "admin")]
        let admin = match admin {
            Some(config) => Some(AdminPort::open(
                config,
                &handle,
                admin_metrics,
                recorder != RecorderHandle::global(),
            )?),
            None => None,
        };
        campanile_core::clock::warm_up();
        let reload = match lifecycle.has_signals() {
            true => Some(ReloadOnHangup::install(&listeners).map_err(ServeErrorKind::Signals)?),
            false => None,
        };
        Ok(BoundServer {
            service,
            lifecycle,
            listeners,
            queues,
            #[cfg(feature = "admin")]
            admin,
            reload,
        })
    }

    /// Binds the listeners, and serves until the shutdown is complete. TERM, INT or USR2 begin it, a second signal ends
    /// the drain time, a third cuts requests in flight.
    ///
    /// HUP reloads the certificates. When it returns, these signals have their previous actions again. It does not end the
    /// runtime, whose end waits for blocking tasks without a limit; [`run_blocking`](Self::run_blocking) ends it too.
    ///
    /// Dropping the future cuts requests in flight.
    ///
    /// # Errors
    ///
    /// Those of [`try_bind`](Self::try_bind), and if a listener was lost, because its accept loop panicked (a `clone` of the
    /// service, for example) or its socket no longer listens. The error names the listener, and comes after the shutdown of
    /// the rest.
    pub async fn run<B>(self) -> Result<Report, ServeError>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let report = self.try_bind()?.run().await;
        match report.failure() {
            Some(reason) => Err(ServeErrorKind::Failed(reason.to_owned()).into()),
            None => Ok(report),
        }
    }

    /// Creates a tokio runtime, runs the server on it, and ends the runtime: a whole `fn main() -> ExitCode`. See
    /// [`ServerRuntime`](crate::ServerRuntime), which has settings, for what it does and for the exit codes.
    ///
    /// ```no_run
    /// # use axum::Router;
    /// use std::process::ExitCode;
    ///
    /// fn main() -> ExitCode {
    ///     campanile_server::Server::new(Router::new()).bind("0.0.0.0:8080").run_blocking()
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// If it is called in a runtime.
    pub fn run_blocking<B>(self) -> ExitCode
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        ServerRuntime::new().serve(self)
    }

    fn target(mut self, target: BindTarget) -> Self {
        self.targets.push(target);
        self
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.targets.len())
            .field("timeouts", &self.timeouts)
            .field("limits", &self.limits)
            .field("shutdown", &self.shutdown)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}
