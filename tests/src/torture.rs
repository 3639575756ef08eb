//! Runs all cases at random over many connections, and checks that the totals agree.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use campanile_core::{Outcome, in_flight};
use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use crate::{
    app::EXPECTED_PANIC,
    client::{Protocol, TestRequest},
    exchange_matrix::{ClientConnection, ExchangeCase, all_cases, run_case},
    recorder::TestRecorder,
    server::{LayerSetup, SharedLayers, TestServer},
    wait::TIMEOUT,
};

/// The interval of progress lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// The interval of updates of the progress bar.
const BAR_INTERVAL: Duration = Duration::from_millis(100);

/// The parameters of a run.
#[derive(Debug, Clone)]
pub struct Torture {
    /// The number of exchanges.
    pub exchanges: u64,
    /// The random seed. The same seed makes the same exchanges.
    pub seed: u64,
    /// The number of concurrent clients.
    pub clients: u64,
    /// Whether to show progress: a bar on a terminal, otherwise a line every five seconds.
    pub progress: bool,
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// Exchanges by outcome, as the layers recorded them.
    pub outcomes: BTreeMap<String, f64>,
    /// Exchanges by outcome, as the clients saw them.
    pub expected: BTreeMap<String, f64>,
    /// Connections that the servers accepted.
    pub connections: f64,
    /// The duration of the run.
    pub took: Duration,
    /// Totals that do not agree.
    pub mismatches: Vec<String>,
}

struct RunState {
    cases: Vec<(ExchangeCase, u32)>,
    weights: u32,
    servers: BTreeMap<LayerSetup, TestServer>,
    left: AtomicU64,
    by_outcome: [AtomicU64; Outcome::ALL.len()],
}

impl Torture {
    /// Makes all exchanges, waits until they have ended, and compares the totals.
    ///
    /// # Panics
    ///
    /// If a server cannot be started.
    pub async fn run(&self) -> Report {
        let began = Instant::now();
        let recorder = TestRecorder::leak();
        let layers = SharedLayers::new(recorder);
        let state = Arc::new(RunState::start(&layers, self.exchanges).await);
        let mut clients = JoinSet::new();
        for client in 0..self.clients {
            let rng = Rng::with_seed(self.seed.wrapping_mul(1_000_003).wrapping_add(client));
            clients.spawn(Arc::clone(&state).client(rng));
        }
        let mismatches = self.join_clients(clients, &state, began).await;
        for server in state.servers.values() {
            server.idle().await;
        }
        let mut report = Report {
            outcomes: recorder.by_label("http_server_requests_total", "outcome"),
            expected: state.expected(),
            connections: recorder.total("http_server_connections_total"),
            took: began.elapsed(),
            mismatches,
        };
        report.check_totals(&layers);
        report
    }

    /// Waits for the clients, and reports their progress.
    async fn join_clients(
        &self,
        mut clients: JoinSet<Result<(), String>>,
        state: &RunState,
        began: Instant,
    ) -> Vec<String> {
        let mut mismatches = Vec::new();
        let bar = self.progress_bar();
        let mut tick = tokio::time::interval(if bar.is_hidden() {
            LINE_INTERVAL
        } else {
            BAR_INTERVAL
        });
        tick.tick().await;
        loop {
            tokio::select! {
                ended = clients.join_next() => match ended {
                    None => break,
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(why))) => {
                        mismatches.push(why);
                        state.left.store(0, Ordering::Relaxed);
                    }
                    Some(Err(error)) => mismatches.push(format!("a client: {error}")),
                },
                _ = tick.tick() => self.report_progress(&bar, state, began),
            }
        }
        bar.finish_and_clear();
        mismatches
    }

    /// Makes the progress bar, hidden without a terminal.
    fn progress_bar(&self) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} exchanges, {per_sec}, {eta} left");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(self.exchanges).with_style(style)
    }

    #[allow(clippy::print_stdout, reason = "reports progress on request")]
    fn report_progress(&self, bar: &ProgressBar, state: &RunState, began: Instant) {
        let done = self.exchanges - state.left.load(Ordering::Relaxed);
        if !bar.is_hidden() {
            bar.set_position(done);
        } else if self.progress {
            let speed = done as f64 / began.elapsed().as_secs_f64();
            println!("{done} of {} exchanges, {speed:.0} per second", self.exchanges);
        }
    }
}

impl RunState {
    async fn start(layers: &SharedLayers, exchanges: u64) -> Self {
        let mut servers = BTreeMap::new();
        for layer_setup in LayerSetup::ALL {
            servers.insert(layer_setup, TestServer::start(layers, layer_setup).await);
        }
        let limited = ExchangeCase::new("in-flight limit", TestRequest::get("/stream"), 200, 11)
            .with_layers(LayerSetup::Limited);
        let cases: Vec<_> = all_cases()
            .into_iter()
            .chain([limited])
            .map(|case| {
                let weight = weight(&case);
                (case, weight)
            })
            .collect();
        Self {
            weights: cases.iter().map(|(_, weight)| weight).sum(),
            cases,
            servers,
            left: AtomicU64::new(exchanges),
            by_outcome: Default::default(),
        }
    }

    /// Makes exchanges until the total is reached.
    async fn client(self: Arc<Self>, mut rng: Rng) -> Result<(), String> {
        let mut connections = BTreeMap::new();
        while self.claim_exchange() {
            let case = self.choose(&mut rng);
            let protocol = case
                .protocol
                .unwrap_or_else(|| rng.choice([Protocol::Http1, Protocol::Http2]).expect("two"));
            let run = self.exchange(&case, protocol, &mut connections);
            match tokio::time::timeout(TIMEOUT, run).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Err(format!("{:?} over {protocol:?}: {why}", case.name)),
                Err(_) => return Err(format!("{:?} over {protocol:?} did not end", case.name)),
            }
            // Reconnects from time to time, with many connections at once.
            if rng.u32(..500) == 0 {
                connections.clear();
            }
        }
        Ok(())
    }

    async fn exchange(
        &self,
        case: &ExchangeCase,
        protocol: Protocol,
        connections: &mut BTreeMap<(LayerSetup, Protocol), ClientConnection>,
    ) -> Result<(), String> {
        let key = (case.layers, protocol);
        let server = &self.servers[&case.layers];
        let connection = match connections.remove(&key) {
            Some(connection) => connection,
            None => ClientConnection::open(server.address, protocol)
                .await
                .map_err(|error| format!("the connection: {error}"))?,
        };
        let left = run_case(case, connection, &server.app, None).await?;
        let shed = case.layers == LayerSetup::Limited && left.status == Some(503);
        let outcome = if shed {
            Outcome::Shed
        } else {
            case.expected.outcome
        };
        self.by_outcome[outcome.index()].fetch_add(1, Ordering::Relaxed);
        if let Some(connection) = left.connection {
            connections.insert(key, connection);
        }
        Ok(())
    }

    fn claim_exchange(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    fn choose(&self, rng: &mut Rng) -> ExchangeCase {
        let mut place = rng.u32(..self.weights);
        for (case, weight) in &self.cases {
            match place.checked_sub(*weight) {
                Some(rest) => place = rest,
                None => return case.clone(),
            }
        }
        unreachable!("the weights add up to their sum")
    }

    fn expected(&self) -> BTreeMap<String, f64> {
        let counts = Outcome::ALL.iter().zip(&self.by_outcome);
        counts
            .map(|(outcome, count)| (outcome.to_string(), count.load(Ordering::Relaxed) as f64))
            .filter(|(_, count)| *count > 0.0)
            .collect()
    }
}

/// Cases that wait for a timer are chosen less often.
fn weight(case: &ExchangeCase) -> u32 {
    match case.layers {
        LayerSetup::Deadline | LayerSetup::TimeoutInside | LayerSetup::TimeoutOutside => 4,
        _ => 20,
    }
}

impl Report {
    fn check_totals(&mut self, layers: &SharedLayers) {
        let recorder = layers.recorder();
        let counted: f64 = self.outcomes.values().sum();
        if counted != layers.started() as f64 {
            self.mismatches
                .push(format!("{} exchanges started, {counted} ended", layers.started()));
        }
        if self.mismatches.is_empty() && self.outcomes != self.expected {
            self.mismatches
                .push(format!("the clients saw {:?}", self.expected));
        }
        for (histogram, expected) in [
            ("http_server_response_duration_seconds", counted),
            (
                "http_server_request_duration_seconds",
                counted - count_without_response(recorder),
            ),
            (
                "http_server_response_body_size_bytes",
                counted - count_without_response(recorder),
            ),
        ] {
            let samples = recorder.total(histogram);
            if samples != expected {
                self.mismatches
                    .push(format!("{histogram} has {samples} samples of {expected}"));
            }
        }
        for gauge in [
            "http_server_active_requests",
            "http_server_upgraded_connections",
            "http_server_open_connections",
        ] {
            let (now, lowest) = (recorder.total(gauge), recorder.lowest(gauge));
            if now != 0.0 || lowest < 0.0 {
                self.mismatches.push(format!(
                    "{gauge} ends at {now}, and its lowest value was {lowest}"
                ));
            }
        }
        if layers.few().in_use() != 0 {
            self.mismatches.push(format!(
                "{} permits of the limit were not released",
                layers.few().in_use()
            ));
        }
        let id = layers.id();
        let ours = in_flight::snapshot().iter().filter(|case| case.id == id).count();
        if ours != 0 {
            self.mismatches.push(format!(
                "{ours} cases are left in the table of requests in flight"
            ));
        }
    }
}

fn count_without_response(recorder: &TestRecorder) -> f64 {
    let by_status = recorder.by_label("http_server_requests_total", "http_response_status_code");
    by_status.get("").copied().unwrap_or(0.0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<12}{:>12}", "outcome", "exchanges")?;
        for (outcome, count) in &self.outcomes {
            writeln!(f, "{outcome:<12}{count:>12}")?;
        }
        let sum: f64 = self.outcomes.values().sum();
        writeln!(f, "{:<12}{sum:>12}", "sum")?;
        let seconds = self.took.as_secs_f64();
        write!(
            f,
            "{} connections, {seconds:.1} s, {:.0} exchanges per second",
            self.connections,
            sum / seconds
        )?;
        for mismatches in &self.mismatches {
            write!(f, "\nWRONG: {mismatches}")?;
        }
        Ok(())
    }
}

/// Silences the panics that the cases raise.
pub fn expect_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref() != Some(&EXPECTED_PANIC) {
            print(panic);
        }
    }));
}
