//! How long a request waited in the queue of the proxy in front.
//!
//! The kernel's accept queue is only the last place where requests wait. A proxy that has a queue of its own says in
//! `X-Request-Start` when it took the request, and this layer records the time since then in
//! `http_server_proxy_wait_seconds` and puts a [`ProxyWait`] into the request's extensions.
//!
//! ```nginx
//! proxy_set_header X-Request-Start "t=${msec}";
//! ```
//!
//! Understood are the time since 1970 in seconds, milliseconds, microseconds or nanoseconds, told apart by their size,
//! with a fraction or without, with `t=` in front or without: what nginx, Apache (`t=%t`), Heroku and HAProxy send. What
//! cannot be read, lies more than a second ahead of the own clock or more than an hour behind it, is ignored and counted
//! in `http_server_request_starts_rejected_total`. Both clocks have to agree: what the proxy's is ahead, up to a second,
//! counts as no wait.
//!
//! Any client can send this header, so the layer is for services that only a proxy reaches, or that can tell:
//!
//! ```
//! # use std::net::SocketAddr;
//! use campanile_inbound::RequestStartLayer;
//! use http::Extensions;
//!
//! # #[derive(Clone)] struct Peer(SocketAddr);
//! fn by_the_proxy(extensions: &Extensions) -> bool {
//!     extensions.get::<Peer>().is_some_and(|peer| peer.0.ip().is_loopback())
//! }
//!
//! let layer = RequestStartLayer::new().with_trust(by_the_proxy);
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

/// Records how long requests waited in the queue of the proxy in front. See the [module docs](crate::request_start).
#[derive(Clone, Copy)]
pub struct RequestStartLayer {
    table: &'static InboundSeries,
    trust: fn(&Extensions) -> bool,
}

/// Records how long requests waited in the queue of the proxy in front. See the [module docs](crate::request_start).
#[derive(Clone, Copy)]
pub struct RequestStartService<S> {
    inner: S,
    layer: RequestStartLayer,
}

/// How long a request waited in the queue of the proxy in front, as far as the two clocks agree. Found in its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyWait(Duration);

static X_REQUEST_START: HeaderName = HeaderName::from_static("x-request-start");

/// What the proxy's clock may be ahead of the own one.
const AHEAD: Duration = Duration::from_secs(1);

/// Nobody waits longer: then a clock is wrong.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The longest that such a number is written.
const MAX_LEN: usize = 32;

impl RequestStartLayer {
    /// Makes a layer that believes every request.
    #[must_use]
    pub fn new() -> Self {
        Self {
            table: InboundSeries::global(),
            trust: |_| true,
        }
    }

    /// Believes only requests of which this says so, by what is in their extensions. The others' header is ignored.
    #[must_use]
    pub fn with_trust(mut self, trust: fn(&Extensions) -> bool) -> Self {
        self.trust = trust;
        self
    }

    /// Records to this recorder in place of the installed one.
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
            match waited(value, SystemTime::now()) {
                Some(waited) => {
                    self.table.record_proxy_wait(waited);
                    request.extensions_mut().insert(ProxyWait(waited));
                }
                None => self.table.count_rejected_start(),
            }
        }
    }
}

impl ProxyWait {
    /// Returns the time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

fn waited(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let start = UNIX_EPOCH.checked_add(since_epoch(value)?)?;
    match now.duration_since(start) {
        Ok(waited) => (waited <= LONGEST).then_some(waited),
        Err(ahead) => (ahead.duration() <= AHEAD).then_some(Duration::ZERO),
    }
}

/// Reads the time since 1970. Seconds have ten digits until the year 2286, so each unit has a range of its own.
fn since_epoch(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let text = text.strip_prefix("t=").unwrap_or(text);
    let is_number = text.len() <= MAX_LEN
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = if is_number {
        text.parse().ok()?
    } else {
        return None;
    };
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
