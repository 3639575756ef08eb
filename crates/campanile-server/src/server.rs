//! What is served, where, and how.

use std::fmt;
use std::time::Duration;

use campanile_backlog::Saturation;
use campanile_lifecycle::{Lifecycle, ShutdownConfig};
use campanile_listen::{Bind, Listener};
#[cfg(feature = "admin")]
use campanile_recorder::CellRecorder;
use metrics::Recorder;

#[cfg(feature = "admin")]
use crate::admin;
use crate::limits::{LONGEST, Limits};
use crate::place::{At, Place};
use crate::queues::Wanted;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// Serves a tower service over HTTP/1 and HTTP/2 on any number of listeners, and stops without losing a request. See
/// the [crate docs](crate).
#[must_use = "nothing is bound or served before `run`"]
pub struct Server<S> {
    pub(crate) service: S,
    pub(crate) places: Vec<Place>,
    pub(crate) limits: Limits,
    pub(crate) settings: ShutdownConfig,
    pub(crate) lifecycle: Option<Lifecycle>,
    pub(crate) max_connections: Option<usize>,
    pub(crate) recorder: Option<&'static (dyn Recorder + Sync)>,
    pub(crate) queues: Wanted,
    #[cfg(feature = "admin")]
    pub(crate) admin: Option<admin::Wanted>,
    #[cfg(feature = "admin")]
    pub(crate) metrics: Option<CellRecorder>,
}

impl<S> Server<S> {
    /// Makes a server of a service: an `axum::Router`, tonic's `Routes` or a generated server, or any tower service
    /// that is cloned for each request. It needs a listener.
    pub fn new(service: S) -> Self {
        Self {
            service,
            places: Vec::new(),
            limits: Limits::default(),
            settings: ShutdownConfig::new(),
            lifecycle: None,
            max_connections: None,
            recorder: None,
            queues: Wanted::default(),
            #[cfg(feature = "admin")]
            admin: None,
            #[cfg(feature = "admin")]
            metrics: None,
        }
    }

    /// Listens on an address, spelt as `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`; port 0 takes a free one. May be
    /// called again, for several listeners at once.
    pub fn bind(self, address: impl fmt::Display) -> Self {
        self.at(At::Address(address.to_string()))
    }

    /// Listens on an address with a backlog, a mode, a connection limit or other options of its own.
    pub fn bind_with(self, bind: Bind) -> Self {
        self.at(At::Bind(bind))
    }

    /// Listens on what is bound already, or was inherited.
    ///
    /// Its own connection limit holds, not [`max_connections`](Self::max_connections).
    pub fn listener(self, listener: Listener) -> Self {
        self.at(At::Listener(listener))
    }

    /// Listens on an address by TLS.
    #[cfg(feature = "tls")]
    pub fn bind_tls(self, address: impl fmt::Display, tls: Tls) -> Self {
        self.place(At::Address(address.to_string()), Some(tls))
    }

    /// Listens by TLS on what is bound already, or was inherited.
    #[cfg(feature = "tls")]
    pub fn listener_tls(self, listener: Listener, tls: Tls) -> Self {
        self.place(At::Listener(listener), Some(tls))
    }

    /// Serves on for this long after a stop was asked for, while clients are told to go elsewhere. 5 seconds.
    pub fn drain_time(mut self, drain_time: Duration) -> Self {
        self.settings = self.settings.with_drain_time(drain_time);
        self
    }

    /// Waits at most this long, after the drain time, for what is in flight. 10 seconds.
    pub fn stop_timeout(mut self, stop_timeout: Duration) -> Self {
        self.settings = self.settings.with_stop_timeout(stop_timeout);
        self
    }

    /// Sets how long the head of a request may take, from its first byte to its last, and an HTTP/2 client from its
    /// preface to its first request. 30 seconds.
    pub fn header_read_timeout(mut self, timeout: Duration) -> Self {
        self.limits.header_read = timeout.min(LONGEST);
        self
    }

    /// Sets how long a new connection may keep silent. 10 seconds.
    pub fn sniff_timeout(mut self, timeout: Duration) -> Self {
        self.limits.sniff = timeout.min(LONGEST);
        self
    }

    /// Sets how long a TLS handshake may take. 10 seconds.
    #[cfg(feature = "tls")]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.limits.handshake = timeout.min(LONGEST);
        self
    }

    /// Sets how long a connection may be without a request, or with an answer of which the client takes nothing; `None`
    /// is for ever. 75 seconds, above the 60 after which the
    /// usual load balancers close their side.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.limits.idle = timeout.into().map(|timeout| timeout.min(LONGEST));
        self
    }

    /// Asks clients to open another connection after this long, give or take a tenth, so that they spread over servers
    /// that came later. Nothing in flight is lost by it. For ever by default.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.limits.max_age = age.into().map(|age| age.min(LONGEST));
        self
    }

    /// Pauses accepting at so many open connections, on each listener that [`bind`](Self::bind) makes of an address: the
    /// rest wait in the kernel's queue.
    ///
    /// # Panics
    ///
    /// Panics when it is bound, if `limit` is 0.
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max_connections = Some(limit);
        self
    }

    /// Records to `recorder` instead of the installed one.
    pub fn recorder(mut self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Opens an admin port, from the moment on that the listeners are bound until the service has stopped: probes, metrics,
    /// requests in flight, a drain by request, and a live page. It answers from a thread of its own, also while the service
    /// cannot. For whom, and what, stands in campanile-admin's manual.
    ///
    /// Its metrics are those of [`metrics`](Self::metrics). Without them, and where no recorder is installed yet,
    /// campanile's own is, with its defaults.
    #[cfg(feature = "admin")]
    pub fn admin(mut self, address: impl fmt::Display) -> Self {
        self.admin = Some(admin::Wanted {
            address: address.to_string(),
            change: None,
        });
        self
    }

    /// Opens an admin port that also tells what `change` adds: a name, a token, the log's filter, another recorder's text.
    #[cfg(feature = "admin")]
    pub fn admin_with(
        mut self,
        address: impl fmt::Display,
        change: impl FnOnce(campanile_admin::Admin) -> campanile_admin::Admin + Send + 'static,
    ) -> Self {
        self.admin = Some(admin::Wanted {
            address: address.to_string(),
            change: Some(Box::new(change)),
        });
        self
    }

    /// Renders this recorder at the admin port.
    #[cfg(feature = "admin")]
    pub fn metrics(mut self, recorder: CellRecorder) -> Self {
        self.metrics = Some(recorder);
        self
    }

    /// Looks at the accept queues of its listeners this often; `None` never does. 250 ms. What campanile-backlog's monitor
    /// records stands in that crate's manual.
    ///
    /// # Panics
    ///
    /// Panics when it is run, if the interval is zero.
    pub fn backlog_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.queues.interval = interval.into();
        self
    }

    /// Says whether each connection is asked, when it is accepted, how long it waited for that in the kernel's queue: for
    /// `listener_backlog_wait_seconds` and [`Connection::queue_wait`](crate::Connection::queue_wait). It is, and costs a
    /// system call.
    pub fn queue_wait(mut self, measured: bool) -> Self {
        self.queues.waits = measured;
        self
    }

    /// Tells how full the service is, as often as it looks at its queues, which are added to what is given.
    pub fn saturation(mut self, saturation: Saturation) -> Self {
        self.queues.saturation = Some(saturation);
        self
    }

    /// Runs this lifecycle: with latches, checks and a notifier of its own. Then the times of the stop are its settings',
    /// signals are caught if it catches them, HUP is not, and its own recorder is told of the stop.
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = Some(lifecycle);
        self
    }

    fn at(self, at: At) -> Self {
        #[cfg(feature = "tls")]
        return self.place(at, None);
        #[cfg(not(feature = "tls"))]
        self.place(at)
    }

    fn place(mut self, at: At, #[cfg(feature = "tls")] tls: Option<Tls>) -> Self {
        self.places.push(Place {
            at,
            #[cfg(feature = "tls")]
            tls,
        });
        self
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.places.len())
            .field("limits", &self.limits)
            .field("settings", &self.settings)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}
