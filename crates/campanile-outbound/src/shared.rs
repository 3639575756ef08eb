//! One pooled client for those who have none.
//!
//! ```no_run
//! use bytes::Bytes;
//! use campanile_outbound::CallName;
//! use http_body_util::Empty;
//! use tower::ServiceExt;
//!
//! # async fn get() -> Result<(), Box<dyn std::error::Error>> {
//! let request = http::Request::get("http://stock/items/7")
//!     .extension(CallName::new("stock", "get-item"))
//!     .body(Empty::<Bytes>::new())?;
//! let response = campanile_outbound::shared().oneshot(request).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A hyper-util client under [`stack`], [`ConnectorLayer`] and [`Resolver`]. It takes any body of
//! [`Bytes`] and boxes it, which is its one cost beyond a client of your own. A request of version `HTTP_2` goes over
//! HTTP/2 by prior knowledge, others over HTTP/1.
//!
//! # Runtimes
//!
//! A pooled connection is driven by a task of the runtime that opened it. If that runtime is polled no longer, whoever
//! takes the connection waits for ever. So each runtime has a pool of its own, and the client looks at each call which
//! one it is in. The pools of the eight runtimes that came last are kept; a process that forks makes a runtime in the
//! child, and thereby a pool.
//!
//! # What it does not do
//!
//! No TLS, since that is a choice of roots and of a library: build a client with your connector and
//! [`ConnectorLayer`]. No proxy, no redirects, no retries.

use std::{
    collections::VecDeque,
    error::Error,
    sync::{PoisonError, RwLock},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use campanile_core::exchange::{self, ObservedBody};
use http::{Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::runtime::{self, Handle};
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    ConnectorLayer, Resolver,
    connect::ConnectorService,
    metrics::{BodyErrors, ErrorItself, ServiceErrors},
    stack,
    stack::{StackObserver, StackService},
};

type BoxError = Box<dyn Error + Send + Sync>;
type Pool = Client<ConnectorService<HttpConnector<Resolver>>, UnsyncBoxBody<Bytes, BoxError>>;

/// The body of an answer of [`SharedClient`].
pub type ResponseBody = ObservedBody<Incoming, StackObserver, BodyErrors<ErrorItself>>;

/// The future of [`SharedClient`].
pub type ResponseFuture = exchange::ResponseFuture<
    legacy::ResponseFuture,
    StackObserver,
    ServiceErrors<ErrorItself>,
    BodyErrors<ErrorItself>,
>;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection stays in the pool unused.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Of how many runtimes pools are kept.
const RUNTIMES: usize = 8;

/// Returns the client that the process shares.
#[must_use]
pub fn shared() -> SharedClient {
    SharedClient(stack().layer(PerRuntime(())))
}

/// The client that the process shares. See the [module docs](self).
#[derive(Debug, Clone)]
pub struct SharedClient(StackService<PerRuntime>);

impl<B> Service<Request<B>> for SharedClient
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = legacy::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), legacy::Error>> {
        Service::<Request<B>>::poll_ready(&mut self.0, cx)
    }

    /// Makes the call.
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio's.
    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.0.call(request)
    }
}

/// The pools of the runtime that it is called in.
#[derive(Debug, Clone)]
struct PerRuntime(());

impl<B> Service<Request<B>> for PerRuntime
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Incoming>;
    type Error = legacy::Error;
    type Future = legacy::ResponseFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), legacy::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> legacy::ResponseFuture {
        let pool = pool(request.version() == Version::HTTP_2);
        pool.request(request.map(|body| body.map_err(Into::into).boxed_unsync()))
    }
}

struct Pools {
    runtime: runtime::Id,
    http1: Pool,
    http2: Pool,
}

static POOLS: RwLock<VecDeque<Pools>> = RwLock::new(VecDeque::new());

fn pool(http2: bool) -> Pool {
    let runtime = Handle::current().id();
    let find = |kept: &VecDeque<Pools>| {
        let pools = kept.iter().find(|pools| pools.runtime == runtime)?;
        Some(if http2 {
            pools.http2.clone()
        } else {
            pools.http1.clone()
        })
    };
    if let Some(pool) = find(&POOLS.read().unwrap_or_else(PoisonError::into_inner)) {
        return pool;
    }
    let mut kept = POOLS.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(pool) = find(&kept) {
        return pool;
    }
    let new = Pools {
        runtime,
        http1: client(false),
        http2: client(true),
    };
    let pool = if http2 {
        new.http2.clone()
    } else {
        new.http1.clone()
    };
    let dropped = if kept.len() == RUNTIMES {
        kept.pop_front()
    } else {
        None
    };
    kept.push_back(new);
    drop(kept);
    // Closes connections: not under the lock.
    drop(dropped);
    pool
}

fn client(http2: bool) -> Pool {
    let mut tcp = HttpConnector::new_with_resolver(Resolver::new());
    tcp.set_nodelay(true);
    let connector = ConnectorLayer::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .layer(tcp);
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_timer(hyper_util::rt::TokioTimer::new())
        .http2_only(http2)
        .build(connector)
}
