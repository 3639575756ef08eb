//! All stops of all peers, in turn.

use std::io;

use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    compare::{
        stop::Place,
        table::{Row, Table},
    },
    peers::Peer,
};

/// Requests that the long form makes at least.
const LONG_REQUESTS: u64 = 1_000_000;

/// Who is stopped, and how often.
#[derive(Debug, Clone)]
pub struct Comparison {
    peers: Vec<Peer>,
    stops: u32,
    requests: u64,
    burst: usize,
    seed: u64,
}

impl Comparison {
    /// Plans the stops; of all peers if none is named, of campanile alone in the long form, without a drain time to
    /// help it.
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

    /// Says how many connections come in a burst at each stop.
    #[must_use]
    pub fn with_burst(mut self, connections: usize) -> Self {
        self.burst = connections;
        self
    }

    /// Says what the chance begins with.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Makes all stops, peer after peer in each round: what else goes on in the machine meets all alike.
    ///
    /// # Errors
    ///
    /// If a process cannot be started, or does not do what it should.
    pub async fn run(&self) -> io::Result<Table> {
        all_descriptors()?;
        let mut rows = Vec::new();
        let mut missing = Vec::new();
        for peer in &self.peers {
            match peer.version() {
                Ok(version) => rows.push(Row::new(*peer, version)),
                Err(error) => missing.push((*peer, error.to_string())),
            }
        }
        let mut place = Place::new(self.burst, self.seed)?;
        let progress = Progress::new(u64::from(self.stops) * rows.len() as u64);
        let mut round = 0;
        while round < self.stops || rows.iter().any(|row| row.answered() < self.requests) {
            for row in &mut rows {
                let stopped = place.stop(row.peer(), round % 2 == 1).await;
                let stopped = stopped.map_err(|error| {
                    io::Error::other(format!("{}, round {}: {error}", row.peer().name(), round + 1))
                })?;
                row.add(stopped);
                progress.advance(row.peer());
            }
            round += 1;
            progress.line(round, self.stops);
        }
        progress.0.finish_and_clear();
        Ok(Table::new(rows, missing, self.requests))
    }
}

/// Raises the limit of open files as far as it goes; what is started inherits it.
fn all_descriptors() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )?)
}

/// A bar on a terminal, a line for each tenth of the rounds elsewhere.
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

    #[allow(clippy::print_stderr, reason = "the bar of those who have no terminal")]
    fn line(&self, round: u32, rounds: u32) {
        if self.0.is_hidden() && round.is_multiple_of(rounds.div_ceil(10)) {
            eprintln!(
                "round {round} of {rounds}, {:.0} s",
                self.0.elapsed().as_secs_f64()
            );
        }
    }
}
