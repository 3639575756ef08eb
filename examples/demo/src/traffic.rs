//! Clients with different behaviours, which count the responses they receive.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use campanile::{
    Deadline, Outcome,
    headers::{X_REQUEST_DEADLINE, X_REQUEST_ID},
    in_flight,
    listen::ListenAddress,
};
use futures_util::future::join_all;
use http_body_util::BodyExt;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{HeaderValue, RETRY_AFTER, USER_AGENT},
};
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    services::IN_FLIGHT_LIMIT,
    tally::{Service, Tally},
};

/// The `User-Agent` of the clients.
pub(crate) const USER_AGENT_VALUE: &str = "campanile-demo";

/// The longest time the last requests may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The number of clients that send one request after the other.
const SHOPPERS: usize = 6;

/// The IDs of one request, by service.
pub(crate) type RequestIds = [String; 3];

/// The running clients.
pub(crate) struct Traffic {
    clients: JoinSet<()>,
    state: Arc<TrafficState>,
}

/// The state shared by all clients.
struct TrafficState {
    edge: String,
    client: Client<HttpConnector, Body>,
    stopped: AtomicBool,
    /// Set once a connection is refused.
    refused: AtomicBool,
    counts: Mutex<ClientCounts>,
}

/// The counts of all clients.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientCounts {
    pub(crate) tally: Tally,
    /// Requests that were sent and got no complete response.
    pub(crate) lost: u64,
    /// Requests that could not connect, and are safe to retry elsewhere.
    pub(crate) refused: u64,
    sample: Option<RequestIds>,
}

impl Traffic {
    /// Starts all clients.
    pub(crate) fn start(edge: &ListenAddress) -> Self {
        let state = Arc::new(TrafficState {
            edge: edge.to_string(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            stopped: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            counts: Mutex::default(),
        });
        let mut clients = JoinSet::new();
        for _ in 0..SHOPPERS {
            clients.spawn(Arc::clone(&state).shop());
        }
        clients.spawn(Arc::clone(&state).abandon());
        clients.spawn(Arc::clone(&state).burst());
        Self { clients, state }
    }

    /// Waits for the last responses, up to the timeout. Returns the counts and the IDs of one request.
    pub(crate) async fn stop(mut self) -> (ClientCounts, Option<RequestIds>) {
        self.state.stopped.store(true, Ordering::Relaxed);
        let all = async { while self.clients.join_next().await.is_some() {} };
        let late = timeout(TIMEOUT, all).await.is_err();
        let mut counts = self.state.counts().clone();
        if late {
            counts.lost += self.clients.len() as u64;
        }
        let sample = counts.sample.take();
        (counts, sample)
    }
}

impl TrafficState {
    fn is_running(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed) && self.is_reachable()
    }

    fn is_reachable(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, ClientCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, service: Service, outcome: Outcome) {
        self.counts().tally[(service, outcome)] += 1;
    }

    /// Requests various products, one after the other.
    async fn shop(self: Arc<Self>) {
        while self.is_running() {
            let item = match fastrand::u32(0..100) {
                0..8 => "0".to_owned(),
                8..12 => "broken".to_owned(),
                12..16 => "slow".to_owned(),
                some => some.to_string(),
            };
            self.buy(&item).await;
            sleep(Duration::from_millis(fastrand::u64(4..16))).await;
        }
    }

    /// Sends bursts beyond the in-flight limit of the edge.
    async fn burst(self: Arc<Self>) {
        loop {
            sleep(Duration::from_millis(500)).await;
            join_all((0..IN_FLIGHT_LIMIT + IN_FLIGHT_LIMIT / 4).map(|_| self.buy("slow"))).await;
            if !self.is_running() {
                return;
            }
        }
    }

    /// Alternates between requests that it cancels, responses that it aborts and deadlines that are too short.
    async fn abandon(self: Arc<Self>) {
        for round in 0_u64.. {
            // Retries requests that were shed.
            while self.is_reachable() && !self.cancel_request(round).await {}
            while self.is_reachable() && !self.abort_response().await {}
            while self.is_reachable() && !self.exceed_deadline().await {}
            if !self.is_running() {
                return;
            }
        }
    }

    async fn buy(&self, item: &str) {
        let response = self.send(self.request(&format!("/products/{item}"))).await;
        self.record(response).await;
    }

    async fn cancel_request(&self, round: u64) -> bool {
        let id = format!("cancelled-{round}");
        let mut request = self.request("/products/stuck");
        let value = HeaderValue::try_from(&id).expect("the ID is ASCII");
        request.headers_mut().insert(X_REQUEST_ID, value);
        // Cancels once the request has reached all services, so that the outcome at each of them is known.
        tokio::select! {
            response = self.send(request) => {
                self.record(response).await;
                false
            }
            () = wait_until_at_stock(&id) => {
                for service in Service::ALL {
                    self.count(service, Outcome::Cancelled);
                }
                true
            }
        }
    }

    async fn abort_response(&self) -> bool {
        match self.send(self.request("/feed")).await {
            Ok(mut response) if response.status().is_success() => {
                // The feed is endless.
                let _first = response.body_mut().frame().await;
                self.count_status(response.status());
                self.count(Service::Edge, Outcome::Aborted);
                true
            }
            other => {
                self.record(other).await;
                false
            }
        }
    }

    async fn exceed_deadline(&self) -> bool {
        let mut request = self.request("/report");
        let deadline = Deadline::after(Duration::from_millis(30));
        request
            .headers_mut()
            .insert(X_REQUEST_DEADLINE, deadline.to_header());
        let response = self.send(request).await;
        self.record(response).await == Some(StatusCode::GATEWAY_TIMEOUT)
    }

    fn request(&self, path: &str) -> Request<Body> {
        Request::get(format!("http://{}{path}", self.edge))
            .header(USER_AGENT, USER_AGENT_VALUE)
            .body(Body::empty())
            .expect("address and path form a URL")
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Error> {
        self.client.request(request).await
    }

    /// Reads a response to its end, counts all services that signed it, and returns its status.
    async fn record(&self, response: Result<Response<Incoming>, Error>) -> Option<StatusCode> {
        if response.as_ref().is_err_and(Error::is_connect) {
            self.counts().refused += 1;
            self.refused.store(true, Ordering::Relaxed);
            return None;
        }
        let read = async {
            let (head, body) = response.ok()?.into_parts();
            Some((head, body.collect().await.ok()?.to_bytes()))
        };
        let Some((head, body)) = read.await else {
            self.counts().lost += 1;
            sleep(Duration::from_millis(10)).await;
            return None;
        };
        self.count_status(head.status);
        match head.status {
            StatusCode::SERVICE_UNAVAILABLE if head.headers.contains_key(RETRY_AFTER) => {
                self.count(Service::Edge, Outcome::Shed);
            }
            StatusCode::GATEWAY_TIMEOUT => self.count(Service::Edge, Outcome::TimedOut),
            _ => self.count_signatures(&String::from_utf8_lossy(&body)),
        }
        Some(head.status)
    }

    fn count_status(&self, status: StatusCode) {
        let mut counts = self.counts();
        *counts
            .tally
            .by_status
            .entry(status.as_str().to_owned())
            .or_default() += 1;
    }

    fn count_signatures(&self, text: &str) {
        let mut counts = self.counts();
        let mut ids = Vec::new();
        for (name, id) in text.lines().filter_map(|line| line.split_once(' ')) {
            if let Some(service) = Service::from_name(name) {
                counts.tally[(service, Outcome::Completed)] += 1;
                ids.push(id.to_owned());
            }
        }
        if let Ok(ids) = RequestIds::try_from(ids) {
            counts.sample = Some(ids);
        }
    }
}

/// Waits until the request has reached the stock service, which is two calls away.
///
/// The table of requests in flight belongs to the process, and so has those of all three services.
async fn wait_until_at_stock(id: &str) {
    let length = 16 + 1 + 16 + 1 + id.len();
    let is_in_flight = || {
        let requests = in_flight::snapshot();
        requests
            .iter()
            .any(|request| request.id.len() == length && request.id.ends_with(id))
    };
    while !is_in_flight() {
        sleep(Duration::from_millis(2)).await;
    }
}
