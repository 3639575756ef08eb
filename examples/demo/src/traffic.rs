//! Clients of all kinds, who count for themselves what they were answered.

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
    services::LIMIT,
    tally::{Service, Tally},
};

/// What the traffic calls itself.
pub(crate) const AGENT: &str = "campanile-demo";

/// How long a client may take for its last request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clients that go about their business one request after the other.
const SHOPPERS: usize = 6;

/// The ids of one request, by service.
pub(crate) type Ids = [String; 3];

/// The clients, while they run.
pub(crate) struct Traffic {
    clients: JoinSet<()>,
    shared: Arc<Shared>,
}

struct Shared {
    edge: String,
    client: Client<HttpConnector, Body>,
    stopped: AtomicBool,
    /// Nobody listens any more.
    gone: AtomicBool,
    counts: Mutex<Counts>,
}

/// What the clients counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) tally: Tally,
    /// Requests that came through and have no whole answer.
    pub(crate) lost: u64,
    /// Requests that never came through, since nobody listens any more: safe to make elsewhere.
    pub(crate) refused: u64,
    sample: Option<Ids>,
}

impl Traffic {
    /// Lets all clients come.
    pub(crate) fn start(edge: &ListenAddress) -> Self {
        let shared = Arc::new(Shared {
            edge: edge.to_string(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            stopped: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            counts: Mutex::default(),
        });
        let mut clients = JoinSet::new();
        for _ in 0..SHOPPERS {
            clients.spawn(Arc::clone(&shared).shop());
        }
        clients.spawn(Arc::clone(&shared).leave_early());
        clients.spawn(Arc::clone(&shared).crowd());
        Self { clients, shared }
    }

    /// Waits until each client has its last answer, but not for ever, and returns what they counted and the ids of one request.
    pub(crate) async fn stop(mut self) -> (Counts, Option<Ids>) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let all = async { while self.clients.join_next().await.is_some() {} };
        let late = timeout(PATIENCE, all).await.is_err();
        let mut counts = self.shared.counts().clone();
        if late {
            counts.lost += self.clients.len() as u64;
        }
        let sample = counts.sample.take();
        (counts, sample)
    }
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed) && self.is_there()
    }

    fn is_there(&self) -> bool {
        !self.gone.load(Ordering::Relaxed)
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, service: Service, outcome: Outcome) {
        self.counts().tally[(service, outcome)] += 1;
    }

    /// Asks for this and that, and waits for the answer.
    async fn shop(self: Arc<Self>) {
        while self.goes_on() {
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

    /// Comes now and then, more at once than the edge takes.
    async fn crowd(self: Arc<Self>) {
        loop {
            sleep(Duration::from_millis(500)).await;
            join_all((0..LIMIT + LIMIT / 4).map(|_| self.buy("slow"))).await;
            if !self.goes_on() {
                return;
            }
        }
    }

    /// Leaves before the answer, leaves within the answer, and has no time to begin with; each as often.
    async fn leave_early(self: Arc<Self>) {
        for round in 0_u64.. {
            // A full house turns such a client away as any other; then it comes again.
            while self.is_there() && !self.leave_before_the_head(round).await {}
            while self.is_there() && !self.leave_in_the_body().await {}
            while self.is_there() && !self.hurry().await {}
            if !self.goes_on() {
                return;
            }
        }
    }

    async fn buy(&self, item: &str) {
        let answer = self.send(self.request(&format!("/products/{item}"))).await;
        self.listen(answer).await;
    }

    async fn leave_before_the_head(&self, round: u64) -> bool {
        let id = format!("leaver-{round}");
        let mut request = self.request("/products/stuck");
        let value = HeaderValue::try_from(&id).expect("letters and digits");
        request.headers_mut().insert(X_REQUEST_ID, value);
        // Only who knows that all three have begun can say how all three will count it.
        tokio::select! {
            answer = self.send(request) => {
                self.listen(answer).await;
                false
            }
            () = until_stock_has(&id) => {
                for service in Service::ALL {
                    self.count(service, Outcome::Cancelled);
                }
                true
            }
        }
    }

    async fn leave_in_the_body(&self) -> bool {
        match self.send(self.request("/feed")).await {
            Ok(mut answer) if answer.status().is_success() => {
                // The feed never ends by itself.
                let _first = answer.body_mut().frame().await;
                self.count_status(answer.status());
                self.count(Service::Edge, Outcome::Aborted);
                true
            }
            other => {
                self.listen(other).await;
                false
            }
        }
    }

    async fn hurry(&self) -> bool {
        let mut request = self.request("/report");
        let deadline = Deadline::after(Duration::from_millis(30));
        request
            .headers_mut()
            .insert(X_REQUEST_DEADLINE, deadline.to_header());
        let answer = self.send(request).await;
        self.listen(answer).await == Some(StatusCode::GATEWAY_TIMEOUT)
    }

    fn request(&self, path: &str) -> Request<Body> {
        Request::get(format!("http://{}{path}", self.edge))
            .header(USER_AGENT, AGENT)
            .body(Body::empty())
            .expect("an address and a path make a URL")
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Error> {
        self.client.request(request).await
    }

    /// Reads an answer to its end, counts every service that signed it, and returns its status.
    async fn listen(&self, answer: Result<Response<Incoming>, Error>) -> Option<StatusCode> {
        if answer.as_ref().is_err_and(Error::is_connect) {
            self.counts().refused += 1;
            self.gone.store(true, Ordering::Relaxed);
            return None;
        }
        let read = async {
            let (head, body) = answer.ok()?.into_parts();
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
            if let Some(service) = Service::named(name) {
                counts.tally[(service, Outcome::Completed)] += 1;
                ids.push(id.to_owned());
            }
        }
        if let Ok(ids) = Ids::try_from(ids) {
            counts.sample = Some(ids);
        }
    }
}

/// Waits until a request with an id that is composed twice from this one is in flight.
///
/// The table of requests in flight is the process's, so it shows those of all three services.
async fn until_stock_has(id: &str) {
    let twice = 16 + 1 + 16 + 1 + id.len();
    let is_there = || {
        let requests = in_flight::snapshot();
        requests
            .iter()
            .any(|request| request.id.len() == twice && request.id.ends_with(id))
    };
    while !is_there() {
        sleep(Duration::from_millis(2)).await;
    }
}
