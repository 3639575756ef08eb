//! `edge` calls `catalog` calls `stock`.
//!
//! Each signs its answer with its name and the id under which it was asked, above what it was answered itself. So
//! whoever reads an answer knows which services had a part in it.

use std::{
    convert::Infallible,
    error::Error,
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
    RequestContext,
    inbound::{self, DeadlineLayer, InFlightLimitLayer, MetricsLayer, RequestIdLayer},
    lifecycle::{Lifecycle, LifecycleHandle, Report, ShutdownConfig},
    listen::{Bind, ListenAddress, Listener},
    outbound::{self, CallName, ConnectorLayer, connect::ConnectorService},
    recorder::{CellRecorder, Format},
    server::{BoundServer, Server},
};
use futures_util::stream;
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    task::{JoinError, JoinHandle},
    time::sleep,
};
use tower::{Layer, ServiceExt};

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

/// How long the edge goes on serving everybody once it drains.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The three, while they run.
pub(crate) struct Services {
    /// Where the edge listens.
    pub(crate) address: ListenAddress,
    /// Where its admin port is.
    pub(crate) admin: ListenAddress,
    pub(crate) visitors: Visitors,
    edge: Running,
    others: [Running; 2],
}

/// One of them.
struct Running {
    handle: LifecycleHandle,
    ended: JoinHandle<Report>,
}

/// Starts the three, the edge and its admin port at these addresses.
pub(crate) fn start(
    edge: SocketAddr,
    admin: SocketAddr,
    metrics: &CellRecorder,
) -> Result<Services, Box<dyn Error>> {
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let [stock, catalog, edge] = [
        (Service::Stock, free),
        (Service::Catalog, free),
        (Service::Edge, edge),
    ]
    .map(|(service, address)| Bind::new(address).with_recorder(recorder(service)).bind());
    let (stock, catalog, edge) = (stock?, catalog?, edge?);
    let to_stock = Remote::new(Service::Catalog, Service::Stock, stock.local_address());
    let to_catalog = Remote::new(Service::Edge, Service::Catalog, catalog.local_address());
    let visitors = Visitors::default();

    let stock_app = Router::new().route("/stock/{item}", get(stock_level));
    let catalog_app = Router::new()
        .route("/items/{item}", get(item))
        .with_state(to_stock);
    let limit = InFlightLimitLayer::new(LIMIT).with_recorder(recorder(Service::Edge));
    let edge_app = Router::new()
        .route("/", get(index))
        .route("/products/{item}", get(product))
        .route("/feed", get(feed))
        .route("/report", get(report))
        .with_state(to_catalog)
        .layer(inbound(Service::Edge).with_in_flight_limit(limit))
        .layer(from_fn_with_state(visitors.clone(), count_visitors));

    let address = edge.local_address().clone();
    let at_once = Duration::ZERO;
    let stock_app = stock_app.layer(inbound(Service::Stock));
    let catalog_app = catalog_app.layer(inbound(Service::Catalog));
    let others = [
        run(server(Service::Stock, stock, stock_app, at_once)?.try_bind()?),
        run(server(Service::Catalog, catalog, catalog_app, at_once)?.try_bind()?),
    ];
    let page = metrics.clone();
    let edge = server(Service::Edge, edge, edge_app, DRAIN_TIME)?
        .admin_metrics(metrics.clone())
        .admin_with(admin, move |admin| {
            let of_edge = move || of_service(Service::Edge, &page.render(Format::Prometheus));
            admin.with_service_name("edge").with_live(of_edge)
        })
        .try_bind()?;
    let admin = edge.admin_address().ok_or("no admin port")?.clone();
    Ok(Services {
        address,
        admin,
        visitors,
        edge: run(edge),
        others,
    })
}

impl Services {
    /// Stops the edge, and tells how that went.
    pub(crate) async fn stop_edge(&mut self) -> Result<Report, JoinError> {
        self.edge.stop().await
    }

    /// Stops those behind the edge.
    pub(crate) async fn stop_others(&mut self) -> Result<(), JoinError> {
        for service in &mut self.others {
            service.stop().await?;
        }
        Ok(())
    }
}

impl Running {
    async fn stop(&mut self) -> Result<Report, JoinError> {
        self.handle.drain();
        (&mut self.ended).await
    }
}

/// All inbound layers. A program that is one service needs no more than `inbound::stack()`.
fn inbound(service: Service) -> inbound::Stack {
    let recorder = recorder(service);
    inbound::stack()
        .with_request_id(RequestIdLayer::new().with_recorder(recorder))
        .with_metrics(MetricsLayer::new().with_recorder(recorder))
        .with_deadline(DeadlineLayer::new().with_recorder(recorder))
}

fn recorder(service: Service) -> &'static Named {
    &NAMED[service as usize]
}

/// A program that is one service names its address by `Server::bind`, and `run` catches the signals.
fn server(
    service: Service,
    listener: Listener,
    app: Router,
    drain_time: Duration,
) -> Result<Server<Router>, Box<dyn Error>> {
    let settings = ShutdownConfig::new()
        .with_drain_time(drain_time)
        .with_stop_timeout(Duration::from_secs(5));
    let lifecycle = Lifecycle::new(settings)?.with_recorder(recorder(service));
    Ok(Server::new(app)
        .lifecycle(lifecycle)
        .listener(listener)
        .recorder(recorder(service)))
}

fn run(bound: BoundServer<Router>) -> Running {
    Running {
        handle: bound.handle(),
        ended: tokio::spawn(bound.run()),
    }
}

/// Keeps the series of one service, for its page: the three share a recorder, as no three programs do.
fn of_service(service: Service, text: &str) -> String {
    let label = format!("service=\"{}\"", service.name());
    let lines = text
        .lines()
        .filter(|line| line.starts_with('#') || line.contains(&label));
    lines.flat_map(|line| [line, "\n"]).collect()
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

type HyperClient = Client<ConnectorService<HttpConnector>, Body>;

/// Another service, as one that calls it knows it.
#[derive(Clone)]
struct Remote {
    client: outbound::StackService<HyperClient>,
    name: &'static str,
    address: String,
}

impl Remote {
    /// A program that is one service needs no more than `outbound::stack()`.
    fn new(from: Service, to: Service, address: &ListenAddress) -> Self {
        let metrics = outbound::MetricsLayer::new()
            .with_recorder(recorder(from))
            .with_host_name(&address.to_string(), to.name());
        let connector = ConnectorLayer::new()
            .with_recorder(recorder(from))
            .with_names_of(&metrics)
            .layer(HttpConnector::new());
        let client = outbound::stack()
            .with_metrics(metrics)
            .layer(Client::builder(TokioExecutor::new()).build(connector));
        Self {
            client,
            name: to.name(),
            address: address.to_string(),
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
