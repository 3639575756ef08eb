//! All shutdowns of all peers, in turn.

use std::io;

use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    compare::{
        shutdown::ShutdownRunner,
        table::{PeerRow, Table},
    },
    peers::Peer,
};

/// The minimum number of requests of the long form.
const LONG_REQUESTS: u64 = 1_000_000;

/// The peers, and how often they are shut down.
#[derive(Debug, Clone)]
pub struct Comparison {
    peers: Vec<Peer>,
    stops: u32,
    requests: u64,
    burst: usize,
    seed: u64,
}

impl Comparison {
    /// Plans the shutdowns. Without named peers, of all of them, or in the long form of campanile without a drain time.
    #[must_use]
    pub fn new(mut peers: Vec<Peer>, stops: Option<u32>, long: bool) -> Self {
        if peers.is_empty() && long {
            peers.push(Peer::Campanile);
        } else if peers.is_empty() {
            peers.extend(Peer::ALL);
        }
        Self {
            peers,
            stops: stops.unwrap_or(if long { 1000 } else { 100 }),
            requests: if long { LONG_REQUESTS } else { 0 },
            burst: 2000,
            seed: 1,
        }
    }

    /// Sets the number of connections in the burst of each shutdown.
    #[must_use]
    pub fn with_burst(mut self, connections: usize) -> Self {
        self.burst = connections;
        self
    }

    /// Sets the random seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs all shutdowns. Each round includes every peer, so that other load on the machine affects all of them.
    ///
    /// # Errors
    ///
    /// If a process cannot be started, or fails.
    pub async fn run(&self) -> io::Result<Table> {
        raise_descriptor_limit()?;
        let mut rows = Vec::new();
        let mut missing = Vec::new();
        for peer in &self.peers {
            match peer.version() {
                Ok(version) => rows.push(PeerRow::new(*peer, version)),
                Err(error) => missing.push((*peer, error.to_string())),
            }
        }
        let mut runner = ShutdownRunner::new(self.burst, self.seed)?;
        let progress = Progress::new(u64::from(self.stops) * rows.len() as u64);
        let mut round = 0;
        while round < self.stops || rows.iter().any(|row| row.completed() < self.requests) {
            for row in &mut rows {
                let result = runner.stop(row.peer(), round % 2 == 1).await;
                let result = result.map_err(|error| {
                    io::Error::other(format!("{}, round {}: {error}", row.peer().name(), round + 1))
                })?;
                row.add(result);
                progress.advance(row.peer());
            }
            round += 1;
            progress.line(round, self.stops);
        }
        progress.0.finish_and_clear();
        Ok(Table::new(rows, missing, self.requests))
    }
}

/// Raises the limit of open files to its maximum; child processes inherit it.
fn raise_descriptor_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )?)
}

/// A progress bar on a terminal, otherwise a line for each tenth of the rounds.
struct Progress(ProgressBar);

impl Progress {
    fn new(stops: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} stops, {elapsed}, {eta} left  {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(stops).with_style(style))
    }

    fn advance(&self, peer: Peer) {
        self.0.set_message(peer.name());
        self.0.inc(1);
    }

    #[allow(clippy::print_stderr, reason = "progress without a terminal")]
    fn line(&self, round: u32, rounds: u32) {
        if self.0.is_hidden() && round.is_multiple_of(rounds.div_ceil(10)) {
            eprintln!(
                "round {round} of {rounds}, {:.0} s",
                self.0.elapsed().as_secs_f64()
            );
        }
    }
}
