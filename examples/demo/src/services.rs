//! The three services: `edge` calls `catalog` calls `stock`.
//!
//! Each response starts with the name of the service and its request ID, followed by the response of the next service. From a
//! response, a client learns which services handled the request.

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

use crate::{service_recorder::ServiceRecorder, tally::Service, traffic::USER_AGENT_VALUE};

/// The in-flight limit of the edge.
pub(crate) const IN_FLIGHT_LIMIT: usize = 24;

/// Longer than any client waits.
const UNTIL_CANCELLED: Duration = Duration::from_secs(3600);

/// The number of requests to the edge that do not come from the demo's clients.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitors(Arc<AtomicU64>);

impl Visitors {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The three running services.
pub(crate) struct Services {
    /// The address of the edge.
    pub(crate) address: ListenAddress,
    /// The address of the edge's admin port.
    pub(crate) admin: ListenAddress,
    pub(crate) visitors: Visitors,
    edge: RunningService,
    inner: [RunningService; 2],
}

/// A running service.
struct RunningService {
    handle: LifecycleHandle,
    task: JoinHandle<Report>,
}

/// Starts the services, the edge and its admin port at these addresses.
pub(crate) fn start(
    edge: SocketAddr,
    admin: SocketAddr,
    metrics: &CellRecorder,
) -> Result<Services, Box<dyn Error>> {
    let free_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let [stock, catalog, edge] = [
        (Service::Stock, free_port),
        (Service::Catalog, free_port),
        (Service::Edge, edge),
    ]
    .map(|(service, address)| {
        Bind::new(address)
            .with_recorder(ServiceRecorder::of(service))
            .bind()
    });
    let (stock, catalog, edge) = (stock?, catalog?, edge?);
    let to_stock = ServiceClient::new(Service::Catalog, Service::Stock, stock.local_address());
    let to_catalog = ServiceClient::new(Service::Edge, Service::Catalog, catalog.local_address());
    let visitors = Visitors::default();

    let stock_app = Router::new().route("/stock/{item}", get(stock_handler));
    let catalog_app = Router::new()
        .route("/items/{item}", get(item_handler))
        .with_state(to_stock);
    let limit = InFlightLimitLayer::new(IN_FLIGHT_LIMIT).with_recorder(ServiceRecorder::of(Service::Edge));
    let edge_app = Router::new()
        .route("/", get(index_handler))
        .route("/products/{item}", get(product_handler))
        .route("/feed", get(feed_handler))
        .route("/report", get(report_handler))
        .with_state(to_catalog)
        .layer(inbound(Service::Edge).with_in_flight_limit(limit))
        .layer(from_fn_with_state(visitors.clone(), count_visitors));

    let address = edge.local_address().clone();
    let no_drain = Duration::ZERO;
    let stock_app = stock_app.layer(inbound(Service::Stock));
    let catalog_app = catalog_app.layer(inbound(Service::Catalog));
    let inner = [
        run(server(Service::Stock, stock, stock_app, no_drain)?.try_bind()?),
        run(server(Service::Catalog, catalog, catalog_app, no_drain)?.try_bind()?),
    ];
    let live_recorder = metrics.clone();
    let edge = server(Service::Edge, edge, edge_app, DRAIN_TIME)?
        .admin_metrics(metrics.clone())
        .admin_with(admin, move |admin| {
            let live_metrics =
                move || filter_by_service(&live_recorder.render(Format::Prometheus), Service::Edge);
            admin.with_service_name("edge").with_live_metrics(live_metrics)
        })
        .try_bind()?;
    let admin = edge.admin_address().ok_or("no admin port")?.clone();
    Ok(Services {
        address,
        admin,
        visitors,
        edge: run(edge),
        inner,
    })
}

impl Services {
    /// Shuts down the edge.
    pub(crate) async fn stop_edge(&mut self) -> Result<Report, JoinError> {
        self.edge.stop().await
    }

    /// Shuts down the services behind the edge.
    pub(crate) async fn stop_inner(&mut self) -> Result<(), JoinError> {
        for service in &mut self.inner {
            service.stop().await?;
        }
        Ok(())
    }
}

impl RunningService {
    async fn stop(&mut self) -> Result<Report, JoinError> {
        self.handle.drain();
        (&mut self.task).await
    }
}

/// All inbound layers. With one service per process, `inbound::stack()` suffices.
fn inbound(service: Service) -> inbound::Stack {
    let recorder = ServiceRecorder::of(service);
    inbound::stack()
        .with_request_id(RequestIdLayer::new().with_recorder(recorder))
        .with_metrics(MetricsLayer::new().with_recorder(recorder))
        .with_deadline(DeadlineLayer::new().with_recorder(recorder))
}

/// With one service per process, `Server::bind` sets the address and `run` handles the signals.
fn server(
    service: Service,
    listener: Listener,
    app: Router,
    drain_time: Duration,
) -> Result<Server<Router>, Box<dyn Error>> {
    let settings = ShutdownConfig::new()
        .with_drain_time(drain_time)
        .with_stop_timeout(Duration::from_secs(5));
    let lifecycle = Lifecycle::new(settings)?.with_recorder(ServiceRecorder::of(service));
    Ok(Server::new(app)
        .lifecycle(lifecycle)
        .listener(listener)
        .recorder(ServiceRecorder::of(service)))
}

fn run(bound: BoundServer<Router>) -> RunningService {
    RunningService {
        handle: bound.handle(),
        task: tokio::spawn(bound.run()),
    }
}

/// Keeps the series of one service, for its live page.
fn filter_by_service(text: &str, service: Service) -> String {
    let label = format!("service=\"{}\"", service.name());
    let lines = text
        .lines()
        .filter(|line| line.starts_with('#') || line.contains(&label));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Counts visitors. It wraps campanile's layers, and so counts shed requests too.
async fn count_visitors(State(visitors): State<Visitors>, request: Request, next: Next) -> Response {
    if request
        .headers()
        .get(USER_AGENT)
        .is_none_or(|agent| agent != USER_AGENT_VALUE)
    {
        visitors.0.fetch_add(1, Ordering::Relaxed);
    }
    next.run(request).await
}

async fn index_handler() -> String {
    let text = "try /products/7, /products/0, /products/broken, /products/slow, /feed, /report\n";
    with_signature(Service::Edge, text)
}

async fn product_handler(
    State(catalog): State<ServiceClient>,
    Path(item): Path<String>,
) -> (StatusCode, String) {
    let (status, text) = catalog.get("get-item", &format!("/items/{item}")).await;
    let status = if status.is_server_error() {
        StatusCode::BAD_GATEWAY
    } else {
        status
    };
    (status, with_signature(Service::Edge, &text))
}

/// Streams until the client disconnects.
async fn feed_handler() -> Body {
    Body::from_stream(stream::unfold((), |()| async {
        sleep(Duration::from_millis(20)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b"news\n")), ()))
    }))
}

/// Never responds before a deadline.
async fn report_handler() -> String {
    sleep(UNTIL_CANCELLED).await;
    with_signature(Service::Edge, "")
}

async fn item_handler(State(stock): State<ServiceClient>, Path(item): Path<String>) -> (StatusCode, String) {
    let (status, text) = match &*item {
        "0" => (StatusCode::NOT_FOUND, String::new()),
        "broken" => (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        item => stock.get("get-stock", &format!("/stock/{item}")).await,
    };
    (status, with_signature(Service::Catalog, &text))
}

async fn stock_handler(Path(item): Path<String>) -> String {
    sleep(match &*item {
        "slow" => Duration::from_millis(fastrand::u64(150..300)),
        "stuck" => UNTIL_CANCELLED,
        _ => Duration::from_millis(fastrand::u64(1..4)),
    })
    .await;
    with_signature(Service::Stock, "")
}

/// Prepends the signature of a service to the response of the next one.
fn with_signature(service: Service, next: &str) -> String {
    let id = RequestContext::current().map(|request| request.id().to_string());
    format!("{} {}\n{next}", service.name(), id.unwrap_or_default())
}

type HyperClient = Client<ConnectorService<HttpConnector>, Body>;

/// A client of another service.
#[derive(Clone)]
struct ServiceClient {
    client: outbound::StackService<HyperClient>,
    name: &'static str,
    address: String,
}

impl ServiceClient {
    /// With one service per process, `outbound::stack()` suffices.
    fn new(from: Service, to: Service, address: &ListenAddress) -> Self {
        let metrics = outbound::MetricsLayer::new()
            .with_recorder(ServiceRecorder::of(from))
            .with_host_name(&address.to_string(), to.name());
        let connector = ConnectorLayer::new()
            .with_recorder(ServiceRecorder::of(from))
            .with_metrics(&metrics)
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
        let Ok(response) = self.client.clone().oneshot(request).await else {
            return (StatusCode::BAD_GATEWAY, String::new());
        };
        let status = response.status();
        match response.into_body().collect().await {
            Ok(body) => (status, String::from_utf8_lossy(&body.to_bytes()).into_owned()),
            Err(_) => (StatusCode::BAD_GATEWAY, String::new()),
        }
    }
}
