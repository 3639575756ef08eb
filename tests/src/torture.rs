//! Mixes all rows at random over many connections, and wants every number to add up at the end.

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
    client::Ask,
    exchange::{Connection, Protocol, Row, drive, rows},
    server::{Arrangement, Layers, Server},
    tally::Tally,
    wait::PATIENCE,
};

/// Between two lines about the progress.
const LINES: Duration = Duration::from_secs(5);
/// Between two positions of the bar.
const FRAMES: Duration = Duration::from_millis(100);

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Torture {
    /// How many exchanges.
    pub exchanges: u64,
    /// What the chance begins with; the same seed asks for the same exchanges.
    pub seed: u64,
    /// How many clients there are at once.
    pub clients: u64,
    /// Whether the progress is shown: as a bar on a terminal, elsewhere as a line each five seconds.
    pub progress: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// Exchanges by outcome, as the layers counted them.
    pub outcomes: BTreeMap<String, f64>,
    /// Exchanges by outcome, as the clients know them.
    pub expected: BTreeMap<String, f64>,
    /// Connections that the servers saw.
    pub connections: f64,
    /// How long it took.
    pub took: Duration,
    /// What does not add up.
    pub wrong: Vec<String>,
}

struct Shared {
    rows: Vec<(Row, u32)>,
    weights: u32,
    servers: BTreeMap<Arrangement, Server>,
    left: AtomicU64,
    by_outcome: [AtomicU64; Outcome::ALL.len()],
}

impl Torture {
    /// Makes all exchanges, waits for their ends, and adds up.
    ///
    /// # Panics
    ///
    /// When a server cannot be started.
    pub async fn run(&self) -> Report {
        let began = Instant::now();
        let tally = Tally::leak();
        let layers = Layers::new(tally);
        let shared = Arc::new(Shared::start(&layers, self.exchanges).await);
        let mut clients = JoinSet::new();
        for client in 0..self.clients {
            let rng = Rng::with_seed(self.seed.wrapping_mul(1_000_003).wrapping_add(client));
            clients.spawn(Arc::clone(&shared).client(rng));
        }
        let wrong = self.watch(clients, &shared, began).await;
        for server in shared.servers.values() {
            server.idle().await;
        }
        let mut report = Report {
            outcomes: tally.by_label("http_server_requests_total", "outcome"),
            expected: shared.expected(),
            connections: tally.total("http_server_connections_total"),
            took: began.elapsed(),
            wrong,
        };
        report.add_up(&layers);
        report
    }

    /// Awaits the clients; says now and then how far they are.
    async fn watch(
        &self,
        mut clients: JoinSet<Result<(), String>>,
        shared: &Shared,
        began: Instant,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        let bar = self.bar();
        let mut tick = tokio::time::interval(if bar.is_hidden() { LINES } else { FRAMES });
        tick.tick().await;
        loop {
            tokio::select! {
                ended = clients.join_next() => match ended {
                    None => break,
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(why))) => {
                        wrong.push(why);
                        shared.left.store(0, Ordering::Relaxed);
                    }
                    Some(Err(error)) => wrong.push(format!("a client: {error}")),
                },
                _ = tick.tick() => self.say(&bar, shared, began),
            }
        }
        bar.finish_and_clear();
        wrong
    }

    /// Makes the bar, which is hidden where there is no terminal.
    fn bar(&self) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} exchanges, {per_sec}, {eta} left");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(self.exchanges).with_style(style)
    }

    #[allow(clippy::print_stdout, reason = "asked for by the program that wants it")]
    fn say(&self, bar: &ProgressBar, shared: &Shared, began: Instant) {
        let done = self.exchanges - shared.left.load(Ordering::Relaxed);
        if !bar.is_hidden() {
            bar.set_position(done);
        } else if self.progress {
            let speed = done as f64 / began.elapsed().as_secs_f64();
            println!("{done} of {} exchanges, {speed:.0} each second", self.exchanges);
        }
    }
}

impl Shared {
    async fn start(layers: &Layers, exchanges: u64) -> Self {
        let mut servers = BTreeMap::new();
        for arrangement in Arrangement::ALL {
            servers.insert(arrangement, Server::start(layers, arrangement).await);
        }
        let limited = Row::new("few slots", Ask::get("/stream"), 200, 11).under(Arrangement::Limited);
        let rows: Vec<_> = rows()
            .into_iter()
            .chain([limited])
            .map(|row| (row, weight(&row)))
            .collect();
        Self {
            weights: rows.iter().map(|(_, weight)| weight).sum(),
            rows,
            servers,
            left: AtomicU64::new(exchanges),
            by_outcome: Default::default(),
        }
    }

    /// Makes exchanges until none is left to be made.
    async fn client(self: Arc<Self>, mut rng: Rng) -> Result<(), String> {
        let mut connections = BTreeMap::new();
        while self.take() {
            let row = self.choose(&mut rng);
            let protocol = row
                .only
                .unwrap_or_else(|| rng.choice([Protocol::H1, Protocol::H2]).expect("two"));
            let run = self.exchange(&row, protocol, &mut connections);
            match tokio::time::timeout(PATIENCE, run).await {
                Ok(Ok(())) => {}
                Ok(Err(why)) => return Err(format!("{:?} over {protocol:?}: {why}", row.name)),
                Err(_) => return Err(format!("{:?} over {protocol:?} did not end", row.name)),
            }
            // Now and then all connections are new, and many of them at once.
            if rng.u32(..500) == 0 {
                connections.clear();
            }
        }
        Ok(())
    }

    async fn exchange(
        &self,
        row: &Row,
        protocol: Protocol,
        connections: &mut BTreeMap<(Arrangement, Protocol), Connection>,
    ) -> Result<(), String> {
        let key = (row.layers, protocol);
        let server = &self.servers[&row.layers];
        let connection = match connections.remove(&key) {
            Some(connection) => connection,
            None => Connection::open(server.address, protocol)
                .await
                .map_err(|error| format!("the connection: {error}"))?,
        };
        let left = drive(row, connection, &server.app, None).await?;
        let shed = row.layers == Arrangement::Limited && left.status == Some(503);
        let outcome = if shed { Outcome::Shed } else { row.expected.outcome };
        self.by_outcome[outcome.index()].fetch_add(1, Ordering::Relaxed);
        if let Some(connection) = left.connection {
            connections.insert(key, connection);
        }
        Ok(())
    }

    fn take(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    fn choose(&self, rng: &mut Rng) -> Row {
        let mut place = rng.u32(..self.weights);
        for (row, weight) in &self.rows {
            match place.checked_sub(*weight) {
                Some(rest) => place = rest,
                None => return *row,
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

/// Rows that wait for a timer, or print a panic, come less often.
fn weight(row: &Row) -> u32 {
    match row.layers {
        Arrangement::Deadline | Arrangement::TimeoutInside | Arrangement::TimeoutOutside => 4,
        _ => 20,
    }
}

impl Report {
    fn add_up(&mut self, layers: &Layers) {
        let tally = layers.tally();
        let counted: f64 = self.outcomes.values().sum();
        if counted != layers.started() as f64 {
            self.wrong
                .push(format!("{} began, and {counted} ended", layers.started()));
        }
        if self.wrong.is_empty() && self.outcomes != self.expected {
            self.wrong.push(format!("the clients saw {:?}", self.expected));
        }
        for (histogram, expected) in [
            ("http_server_response_duration_seconds", counted),
            (
                "http_server_request_duration_seconds",
                counted - tally_headless(tally),
            ),
            (
                "http_server_response_body_size_bytes",
                counted - tally_headless(tally),
            ),
        ] {
            let samples = tally.total(histogram);
            if samples != expected {
                self.wrong
                    .push(format!("{histogram} has {samples} samples of {expected}"));
            }
        }
        for gauge in [
            "http_server_active_requests",
            "http_server_upgraded_connections",
            "http_server_open_connections",
        ] {
            let (now, lowest) = (tally.total(gauge), tally.lowest(gauge));
            if now != 0.0 || lowest < 0.0 {
                self.wrong.push(format!(
                    "{gauge} is {now} at the end, and was {lowest} at its lowest"
                ));
            }
        }
        if layers.few().in_use() != 0 {
            self.wrong
                .push(format!("{} slots were not given back", layers.few().in_use()));
        }
        let id = layers.id();
        let ours = in_flight::snapshot().iter().filter(|row| row.id == id).count();
        if ours != 0 {
            self.wrong
                .push(format!("{ours} rows are left in the table of requests in flight"));
        }
    }
}

fn tally_headless(tally: &Tally) -> f64 {
    let by_status = tally.by_label("http_server_requests_total", "http_response_status_code");
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
            "{} connections, {seconds:.1} s, {:.0} exchanges each second",
            self.connections,
            sum / seconds
        )?;
        for wrong in &self.wrong {
            write!(f, "\nWRONG: {wrong}")?;
        }
        Ok(())
    }
}

/// Prints only the panics that nobody asked for.
pub fn expect_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref() != Some(&"as asked") {
            print(panic);
        }
    }));
}
