//! What is served, where, and how.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use campanile_lifecycle::{Lifecycle, Report, Settings};
use campanile_listen::{Bind, Listener};
use http::Response;
use http_body::Body;
use hyper::Request;
use hyper::body::Incoming;
use metrics::Recorder;
use tower::Service;

use crate::bound::Bound;
use crate::limits::{LONGEST, Limits};
use crate::place::{At, Place};
use crate::service::BoxError;
use crate::site::QueueWait;
#[cfg(feature = "tls")]
use crate::tls::Tls;
use crate::{ServeError, bound};

/// Serves a tower service over HTTP/1 and HTTP/2 on any number of listeners, and stops without losing a request. See
/// the [crate docs](crate).
#[must_use = "nothing is bound or served before `run`"]
pub struct Server<S> {
    pub(crate) service: S,
    pub(crate) places: Vec<Place>,
    pub(crate) limits: Limits,
    pub(crate) settings: Settings,
    pub(crate) lifecycle: Option<Lifecycle>,
    pub(crate) max_connections: Option<usize>,
    pub(crate) recorder: Option<&'static (dyn Recorder + Sync)>,
    pub(crate) queue_wait: Option<QueueWait>,
}

impl<S> Server<S> {
    /// Makes a server of a service: an `axum::Router`, tonic's `Routes` or a generated server, or any tower service
    /// that is cloned for each request. It needs a listener.
    pub fn new(service: S) -> Self {
        Self {
            service,
            places: Vec::new(),
            limits: Limits::default(),
            settings: Settings::new(),
            lifecycle: None,
            max_connections: None,
            recorder: None,
            queue_wait: None,
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

    /// Asks this of each accepted socket, for [`Connection::queue_wait`](crate::Connection::queue_wait).
    pub fn queue_wait(mut self, ask: fn(BorrowedFd<'_>) -> Option<Duration>) -> Self {
        self.queue_wait = Some(ask);
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

    /// Binds the listeners and catches signals, so that addresses are known and clients may connect, and accepts
    /// nothing yet.
    ///
    /// # Errors
    ///
    /// If there is nothing to listen on, if an address cannot be read or bound, if a time of the stop is longer than a
    /// year, or if signals cannot be caught.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time.
    pub fn bound(self) -> Result<Bound<S>, ServeError> {
        bound::bind(self)
    }

    /// Binds, and serves until the stop has come to its end: TERM, INT or USR2 begin it, a second one ends the drain time,
    /// a third cuts.
    ///
    /// Dropped, it cuts what is in flight.
    ///
    /// # Errors
    ///
    /// Those of [`bound`](Self::bound); once it serves there are none.
    pub async fn run<B>(self) -> Result<Report, ServeError>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        Ok(self.bound()?.run().await)
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
