//! `edge` calls `catalog` calls `stock`.
//!
//! Each signs its answer with its name and the id under which it was asked, above what it was answered itself. So
//! whoever reads an answer knows which services had a part in it.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    http::{StatusCode, header::USER_AGENT},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::get,
};
use bytes::Bytes;
use campanile::{
    client::{self, CallName, ConnectorLayer, PropagateLayer, connect::Connector},
    http::RequestContext,
    listen::Connections,
    server::{self, ConcurrencyLimitLayer, DeadlineLayer, MetricsLayer, RequestIdLayer},
};
use futures_util::stream;
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{net::TcpListener, time::sleep};
use tower::{Layer, ServiceBuilder, ServiceExt};

use crate::{
    recorder::{NAMED, Named},
    tally::Service,
    traffic::AGENT,
};

/// How many requests the edge takes at once.
pub(crate) const LIMIT: usize = 24;

/// How long nobody waits.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// Requests that came to the edge from anybody but the traffic.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitors(Arc<AtomicU64>);

impl Visitors {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Starts the three, the edge on this listener.
pub(crate) async fn start(edge: TcpListener) -> io::Result<(SocketAddr, Visitors)> {
    let stock = TcpListener::bind("127.0.0.1:0").await?;
    let catalog = TcpListener::bind("127.0.0.1:0").await?;
    let to_stock = Remote::new(Service::Catalog, Service::Stock, stock.local_addr()?);
    let to_catalog = Remote::new(Service::Edge, Service::Catalog, catalog.local_addr()?);
    let visitors = Visitors::default();

    let stock_app = Router::new().route("/stock/{item}", get(stock_level));
    let catalog_app = Router::new()
        .route("/items/{item}", get(item))
        .with_state(to_stock);
    let edge_app = Router::new()
        .route("/", get(index))
        .route("/products/{item}", get(product))
        .route("/feed", get(feed))
        .route("/report", get(report))
        .with_state(to_catalog);

    let address = edge.local_addr()?;
    serve(Service::Stock, stock, stock_app.layer(inbound(Service::Stock)))?;
    serve(
        Service::Catalog,
        catalog,
        catalog_app.layer(inbound(Service::Catalog)),
    )?;
    let limit = ConcurrencyLimitLayer::new(LIMIT).with_recorder(recorder(Service::Edge));
    let edge_app = edge_app
        .layer(inbound(Service::Edge).with_concurrency_limit(limit))
        .layer(from_fn_with_state(visitors.clone(), count_visitors));
    serve(Service::Edge, edge, edge_app)?;
    Ok((address, visitors))
}

/// All inbound layers. A program that is one service needs no more than `server::stack()`.
fn inbound(service: Service) -> server::Stack {
    let recorder = recorder(service);
    server::stack()
        .with_request_id(RequestIdLayer::new().with_recorder(recorder))
        .with_metrics(MetricsLayer::new().with_recorder(recorder))
        .with_deadline(DeadlineLayer::new().with_recorder(recorder))
}

fn recorder(service: Service) -> &'static Named {
    &NAMED[service as usize]
}

fn serve(service: Service, listener: TcpListener, app: Router) -> io::Result<()> {
    let connections = Connections::new(listener.local_addr()?).with_recorder(recorder(service));
    let server = axum::serve(connections.count_listener(listener), app);
    tokio::spawn(async move { server.await });
    Ok(())
}

/// Stands outside of campanile's layers, to know who asks.
async fn count_visitors(State(visitors): State<Visitors>, request: Request, next: Next) -> Response {
    if request
        .headers()
        .get(USER_AGENT)
        .is_none_or(|agent| agent != AGENT)
    {
        visitors.0.fetch_add(1, Ordering::Relaxed);
    }
    next.run(request).await
}

async fn index() -> String {
    let text = "try /products/7, /products/0, /products/broken, /products/slow, /feed, /report\n";
    signed(Service::Edge, text)
}

async fn product(State(catalog): State<Remote>, Path(item): Path<String>) -> (StatusCode, String) {
    let (status, text) = catalog.get("get-item", &format!("/items/{item}")).await;
    let status = if status.is_server_error() {
        StatusCode::BAD_GATEWAY
    } else {
        status
    };
    (status, signed(Service::Edge, &text))
}

/// Goes on until the client has had enough.
async fn feed() -> Body {
    Body::from_stream(stream::unfold((), |()| async {
        sleep(Duration::from_millis(20)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b"news\n")), ()))
    }))
}

/// Takes too long for anybody with a deadline.
async fn report() -> String {
    sleep(FOR_EVER).await;
    signed(Service::Edge, "")
}

async fn item(State(stock): State<Remote>, Path(item): Path<String>) -> (StatusCode, String) {
    let (status, text) = match &*item {
        "0" => (StatusCode::NOT_FOUND, String::new()),
        "broken" => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        item => stock.get("get-stock", &format!("/stock/{item}")).await,
    };
    (status, signed(Service::Catalog, &text))
}

async fn stock_level(Path(item): Path<String>) -> String {
    sleep(match &*item {
        "slow" => Duration::from_millis(fastrand::u64(150..300)),
        "stuck" => FOR_EVER,
        _ => Duration::from_millis(fastrand::u64(1..4)),
    })
    .await;
    signed(Service::Stock, "")
}

fn signed(service: Service, below: &str) -> String {
    let id = RequestContext::current().map(|request| request.id().to_string());
    format!("{} {}\n{below}", service.name(), id.unwrap_or_default())
}

type HyperClient = Client<Connector<HttpConnector>, Body>;

/// Another service, as one that calls it knows it.
#[derive(Clone)]
struct Remote {
    client: client::metrics::Metrics<client::propagate::Propagate<HyperClient>>,
    name: &'static str,
    address: SocketAddr,
}

impl Remote {
    /// A program that is one service needs no more than `client::stack()`.
    fn new(from: Service, to: Service, address: SocketAddr) -> Self {
        let metrics = client::MetricsLayer::new()
            .with_recorder(recorder(from))
            .with_host_name(&address.to_string(), to.name());
        let connector = ConnectorLayer::new()
            .with_recorder(recorder(from))
            .with_names_of(&metrics)
            .layer(HttpConnector::new());
        let client = ServiceBuilder::new()
            .layer(metrics)
            .layer(PropagateLayer::new())
            .service(Client::builder(TokioExecutor::new()).build(connector));
        Self {
            client,
            name: to.name(),
            address,
        }
    }

    async fn get(&self, view: &'static str, path: &str) -> (StatusCode, String) {
        let request = Request::get(format!("http://{}{path}", self.address))
            .extension(CallName::new(self.name, view))
            .body(Body::empty());
        let Ok(request) = request else {
            return (StatusCode::BAD_REQUEST, String::new());
        };
        let Ok(answer) = self.client.clone().oneshot(request).await else {
            return (StatusCode::BAD_GATEWAY, String::new());
        };
        let status = answer.status();
        match answer.into_body().collect().await {
            Ok(body) => (status, String::from_utf8_lossy(&body.to_bytes()).into_owned()),
            Err(_) => (StatusCode::BAD_GATEWAY, String::new()),
        }
    }
}
