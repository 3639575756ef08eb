//! Records how long requests waited in the queue of a proxy.
//!
//! A proxy with a queue of its own sets `X-Request-Start` to the time when it received the request. The layer records
//! the time since then in `http_server_proxy_wait_seconds` and inserts a [`ProxyWait`] into the extensions of the
//! request.
//!
//! ```nginx
//! proxy_set_header X-Request-Start "t=${msec}";
//! ```
//!
//! The value is Unix time in seconds, milliseconds, microseconds or nanoseconds, distinguished by magnitude, with an
//! optional fraction and an optional prefix `t=`: the formats of nginx, Apache (`t=%t`), Heroku and HAProxy. A value
//! that is malformed, more than a second in the future or more than an hour in the past is ignored and counted in
//! `http_server_request_starts_rejected_total`. The clocks of proxy and service must be synchronized; up to a second in
//! the future counts as no wait.
//!
//! Any client can send this header. The layer is for services that only a proxy can reach, or that recognize its
//! requests:
//!
//! ```
//! # use std::net::SocketAddr;
//! use campanile_inbound::RequestStartLayer;
//! use http::Extensions;
//!
//! # #[derive(Clone)] struct Peer(SocketAddr);
//! fn is_from_proxy(extensions: &Extensions) -> bool {
//!     extensions.get::<Peer>().is_some_and(|peer| peer.0.ip().is_loopback())
//! }
//!
//! let layer = RequestStartLayer::new().with_trust(is_from_proxy);
//! ```

use std::{
    fmt,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use campanile_metrics::RecorderHandle;
use http::{Extensions, HeaderName, HeaderValue, Request};
use tower_layer::Layer;
use tower_service::Service;

use crate::series::InboundSeries;

/// Records how long requests waited in the queue of a proxy. See the [module docs](crate::request_start).
#[derive(Clone, Copy)]
pub struct RequestStartLayer {
    table: &'static InboundSeries,
    trust: fn(&Extensions) -> bool,
}

/// Records how long requests waited in the queue of a proxy. See the [module docs](crate::request_start).
#[derive(Clone, Copy)]
pub struct RequestStartService<S> {
    inner: S,
    layer: RequestStartLayer,
}

/// How long a request waited in the queue of a proxy. In the extensions of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyWait(Duration);

static X_REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");

/// How far the clock of the proxy may be ahead.
const MAX_AHEAD: Duration = Duration::from_secs(1);

/// A longer wait means that a clock is wrong.
const MAX_WAIT: Duration = Duration::from_secs(60 * 60);

/// The longest value in bytes.
const MAX_LEN: usize = 32;

impl RequestStartLayer {
    /// Makes a layer that trusts the header of each request.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: InboundSeries::global(),
            trust: |_| true,
        }
    }

    /// Ignores the header of requests for whose extensions `trust` returns false.
    #[must_use]
    pub fn with_trust(mut self, trust: fn(&Extensions) -> bool) -> Self {
        self.trust = trust;
        self
    }

    /// Records to this recorder instead of the global one.
    #[must_use]
    pub fn with_recorder(mut self, recorder: impl Into<RecorderHandle>) -> Self {
        self.table = InboundSeries::of(recorder.into());
        self
    }

    #[inline]
    fn record<B>(&self, request: &mut Request<B>) {
        if let Some(value) = request.headers().get(&X_REQUEST_START)
            && (self.trust)(request.extensions())
        {
            match wait_until(SystemTime::now(), value) {
                Some(wait) => {
                    self.table.record_proxy_wait(wait);
                    request.extensions_mut().insert(ProxyWait(wait));
                }
                None => self.table.count_rejected_start(),
            }
        }
    }
}

impl ProxyWait {
    /// Returns the time that the request waited.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

/// Returns the time from the value of the header until `now`; `None` if it is not plausible.
fn wait_until(now: SystemTime, value: &HeaderValue) -> Option<Duration> {
    let start = UNIX_EPOCH.checked_add(parse_since_epoch(value)?)?;
    match now.duration_since(start) {
        Ok(wait) => (wait <= MAX_WAIT).then_some(wait),
        Err(ahead) => (ahead.duration() <= MAX_AHEAD).then_some(Duration::ZERO),
    }
}

/// Parses the time since the Unix epoch. Seconds have ten digits until the year 2286, so the ranges of the units are
/// disjoint.
fn parse_since_epoch(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let text = text.strip_prefix("t=").unwrap_or(text);
    let is_number = text.len() <= MAX_LEN
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_number {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    let seconds = match number {
        ..1e11 => number,
        ..1e14 => number / 1e3,
        ..1e17 => number / 1e6,
        _ => number / 1e9,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

impl Default for RequestStartLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RequestStartLayer {
    type Service = RequestStartService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestStartService { inner, layer: *self }
    }
}

impl<S> RequestStartService<S> {
    /// Returns a reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B> Service<Request<B>> for RequestStartService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.layer.record(&mut request);
        self.inner.call(request)
    }
}

impl fmt::Debug for RequestStartLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestStartLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for RequestStartService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestStartService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
