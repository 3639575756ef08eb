//! A service with traffic and an admin port, in this process.

use std::{
    net::{SocketAddr, TcpListener},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};
use bytes::Bytes;
use campanile_admin::{Admin, Exposition};
use campanile_inbound::InFlightLimitLayer;
use campanile_lifecycle::{Lifecycle, LifecycleHandle, ShutdownConfig};
use campanile_outbound::CallName;
use campanile_recorder::{CellRecorder, Format};
use campanile_server::{Server, admin_of};
use http::StatusCode;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    runtime::Runtime,
    sync::oneshot,
    task::{AbortHandle, JoinSet},
};
use tower::{ServiceBuilder, ServiceExt};

/// The drain time of the service.
pub(super) const DRAIN_TIME: Duration = Duration::from_secs(8);

type Caller = Client<HttpConnector, Empty<Bytes>>;

/// A running service, which ends when dropped.
pub(super) struct TestService {
    /// The address of the service.
    pub(super) service: SocketAddr,
    /// The address of its admin port.
    pub(super) admin: SocketAddr,
    caller: Caller,
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

/// A request that is in flight until dropped.
pub(super) struct HeldRequest(AbortHandle);

impl TestService {
    /// Starts a service whose live page has a history of this length.
    pub(super) fn start(history: Duration) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let _entered = runtime.enter();
        let recorder = CellRecorder::new()
            .install()
            .expect("the process has no recorder yet");
        let caller: Caller = Client::builder(TokioExecutor::new()).build_http();
        let upstream = runtime.block_on(upstream());
        let settings = ShutdownConfig::new()
            .with_drain_time(DRAIN_TIME)
            .with_stop_timeout(Duration::from_secs(1));
        let lifecycle = Lifecycle::new(settings).expect("times that fit");
        let handle = lifecycle.handle();
        let layers = campanile_inbound::stack().with_in_flight_limit(InFlightLimitLayer::new(64));
        let server = Server::new(app(caller.clone(), upstream).layer(layers))
            .bind("127.0.0.1:0")
            .max_connections(256)
            .backlog_interval(Duration::from_millis(250))
            .lifecycle(lifecycle)
            .try_bind()
            .expect("a free port");
        let service = server
            .addresses()
            .next()
            .expect("the service has an address")
            .to_string();
        runtime.spawn(server.run());

        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the listener is bound");
        let admin = admin(recorder, &handle).with_history(history);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            admin.run_blocking(listener, async {
                let _ = stopped.await;
            })
        });
        drop(_entered);
        Self {
            service: service.parse().expect("an address of TCP"),
            admin: address,
            caller,
            runtime,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Sends mixed requests at a varying rate, `rate` per second on average, as long as the service runs.
    pub(super) fn traffic(&self, rate: f64) {
        let (caller, service) = (self.caller.clone(), self.service);
        self.runtime.spawn(async move {
            let mut running = JoinSet::new();
            let started = Instant::now();
            loop {
                let turn = started.elapsed().as_secs_f64();
                let now = rate * (1.0 + 0.3 * (turn / 9.0).sin() + 0.15 * (turn / 2.3).sin());
                tokio::time::sleep(Duration::from_secs_f64(1.0 / now)).await;
                let (method, path) = match fastrand::u8(..100) {
                    0 => ("GET", "/broken"),
                    1..3 => ("GET", "/nowhere"),
                    3..13 => ("POST", "/orders"),
                    _ => ("GET", "/items/7"),
                };
                let caller = caller.clone();
                running.spawn(async move { drop(send(&caller, service, method, path, "").await) });
                while running.try_join_next().is_some() {}
            }
        });
    }

    /// Sends a request and returns the status of the response.
    pub(super) fn send(&self, method: &'static str, path: &str) -> StatusCode {
        let sent = send(&self.caller, self.service, method, path, "");
        self.runtime.block_on(sent).expect("a response")
    }

    /// Holds a request with this ID in flight.
    pub(super) fn hold(&self, id: &str) -> HeldRequest {
        let (caller, service, id) = (self.caller.clone(), self.service, id.to_owned());
        let sent = self.runtime.spawn(async move {
            drop(send(&caller, service, "GET", "/reports/yearly", &id).await);
        });
        HeldRequest(sent.abort_handle())
    }
}

impl Drop for TestService {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended
                .expect("the thread was started")
                .expect("the admin thread does not panic")
                .expect("the admin thread returns Ok");
        }
    }
}

impl Drop for HeldRequest {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn send(
    caller: &Caller,
    service: SocketAddr,
    method: &str,
    path: &str,
    id: &str,
) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://{service}{path}"))
        .header("x-request-id", id)
        .body(Empty::new())?;
    let response = caller.request(request).await?;
    let status = response.status();
    response.into_body().collect().await?;
    Ok(status)
}

/// Starts the upstream of the service.
async fn upstream() -> SocketAddr {
    let app = Router::new()
        .route("/prices", get(async || pause(3).await))
        .route("/stock", get(async || pause(12).await))
        .route("/ledger", get(std::future::pending::<()>));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("the listener is bound");
    tokio::spawn(axum::serve(listener, app).into_future());
    address
}

async fn pause(milliseconds: u64) {
    let about = fastrand::u64(500..2000) * milliseconds;
    tokio::time::sleep(Duration::from_micros(about)).await;
}

fn app(caller: Caller, upstream: SocketAddr) -> Router {
    let call = async move |name: &'static str| {
        let client = ServiceBuilder::new()
            .layer(campanile_outbound::stack())
            .service(caller.clone());
        let request = http::Request::get(format!("http://{upstream}/{name}"))
            .extension(CallName::new(name, name))
            .body(Empty::new())
            .expect("a well-formed URL");
        match client.oneshot(request).await {
            Ok(_) => StatusCode::OK,
            Err(_) => StatusCode::BAD_GATEWAY,
        }
    };
    let (orders, reports) = (call.clone(), call.clone());
    Router::new()
        .route(
            "/items/{id}",
            get(async move |Path(_): Path<String>| call("prices").await),
        )
        .route(
            "/orders",
            post(async move || match orders("stock").await {
                StatusCode::OK => StatusCode::CREATED,
                other => other,
            }),
        )
        .route(
            "/reports/{name}",
            get(async move |Path(_): Path<String>| reports("ledger").await),
        )
        .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/banned", get(async || StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS))
}

fn admin(recorder: CellRecorder, handle: &LifecycleHandle) -> Admin {
    admin_of(handle)
        .with_service_name("shop")
        .with_version("2.7.1")
        .with_metrics(move |accept: &str| {
            let format = Format::from_accept(accept);
            let chunks = recorder.try_snapshot()?.chunks(format);
            std::io::Result::Ok(Exposition::from_chunks(format.content_type(), chunks))
        })
}
