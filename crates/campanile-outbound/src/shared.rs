//! A pooled client that the process shares.
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
//! A hyper-util client with [`stack`], [`ConnectorLayer`] and [`Resolver`]. It accepts any body of [`Bytes`] and boxes
//! it, which is its only cost over a dedicated client. A request of version `HTTP_2` uses HTTP/2 with prior knowledge,
//! others HTTP/1.
//!
//! # Runtimes
//!
//! A pooled connection is driven by a task of the runtime that opened it, and hangs once that runtime is no longer
//! polled. Each runtime therefore has its own pool, which the client selects at each call. The pools of the eight
//! latest runtimes are kept. After a fork, the child creates a runtime, and with it a pool.
//!
//! # What it does not do
//!
//! No TLS, which needs a choice of library and root certificates: build a client with a TLS connector and
//! [`ConnectorLayer`]. No proxies, redirects or retries.

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

/// The response body of [`SharedClient`].
pub type ResponseBody = ObservedBody<Incoming, StackObserver, BodyErrors<ErrorItself>>;

/// The future of [`SharedClient`].
pub type ResponseFuture = exchange::ResponseFuture<
    legacy::ResponseFuture,
    StackObserver,
    ServiceErrors<ErrorItself>,
    BodyErrors<ErrorItself>,
>;

/// Time limit for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time after which an idle connection is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Number of runtimes whose pools are kept.
const MAX_RUNTIMES: usize = 8;

/// Returns the client that the process shares.
#[must_use]
pub fn shared() -> SharedClient {
    SharedClient(stack().layer(RuntimePool(())))
}

/// The client that the process shares. See the [module docs](self).
#[derive(Debug, Clone)]
pub struct SharedClient(StackService<RuntimePool>);

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

    /// Sends the request.
    ///
    /// # Panics
    ///
    /// If called outside a tokio runtime.
    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.0.call(request)
    }
}

/// Sends requests through the pool of the current runtime.
#[derive(Debug, Clone)]
struct RuntimePool(());

impl<B> Service<Request<B>> for RuntimePool
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
        let pool = current_pool(request.version() == Version::HTTP_2);
        pool.request(request.map(|body| body.map_err(Into::into).boxed_unsync()))
    }
}

/// The pools of one runtime.
struct Pools {
    runtime: runtime::Id,
    http1: Pool,
    http2: Pool,
}

impl Pools {
    fn get(&self, http2: bool) -> Pool {
        if http2 {
            self.http2.clone()
        } else {
            self.http1.clone()
        }
    }
}

static POOLS: RwLock<VecDeque<Pools>> = RwLock::new(VecDeque::new());

/// Returns the pool of the current runtime.
fn current_pool(http2: bool) -> Pool {
    let runtime = Handle::current().id();
    let find = |kept: &VecDeque<Pools>| {
        let pools = kept.iter().find(|pools| pools.runtime == runtime)?;
        Some(pools.get(http2))
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
    let pool = new.get(http2);
    let dropped = if kept.len() == MAX_RUNTIMES {
        kept.pop_front()
    } else {
        None
    };
    kept.push_back(new);
    drop(kept);
    // After unlocking, since this closes connections.
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
