//! A load of one kind: clients in closed loops, or a burst of connections on command.

use std::{net::SocketAddr, time::Duration};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    client::{h1, h2},
    load_command::{LoadCommand, LoadCommands},
    request_outcome::{Loss, OutcomeCounts, RequestOutcome},
};

/// The maximum number of concurrent streams of an HTTP/2 connection.
const STREAMS: usize = 10;

/// The kind of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, reason = "the comparison handles each of them")]
pub enum LoadKind {
    /// HTTP/1 with persistent connections.
    KeepAlive,
    /// HTTP/1 with a connection per request.
    New,
    /// HTTP/2 with prior knowledge and ten concurrent streams.
    H2,
    /// HTTP/1 with all connections at once, one request each.
    Burst,
}

impl LoadKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::KeepAlive, Self::New, Self::H2, Self::Burst];

    /// Returns the name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeepAlive => "h1 kept alive",
            Self::New => "h1 new",
            Self::H2 => "h2",
            Self::Burst => "burst",
        }
    }
}

/// A load.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Load {
    /// The address of the server.
    pub address: SocketAddr,
    /// The kind of clients.
    pub kind: LoadKind,
    /// The number of concurrent connections.
    pub connections: usize,
    /// The request of HTTP/2 clients.
    pub request_kind: h2::RequestKind,
    /// The maximum pause of a client after a response; the average is half of it.
    pub max_pause: Duration,
}

impl Load {
    /// Describes a load.
    #[must_use]
    pub fn new(kind: LoadKind, address: SocketAddr, connections: usize) -> Self {
        Self {
            address,
            kind,
            connections,
            request_kind: h2::RequestKind::Get,
            max_pause: Duration::from_millis(40),
        }
    }

    /// Sends requests until the server has exited, and returns the outcomes.
    ///
    /// Calls `connected` once, when all requests of a burst have been sent or have failed.
    pub async fn run(self, commands: LoadCommands, connected: impl FnOnce()) -> OutcomeCounts {
        let mut clients = JoinSet::new();
        let (sender, mut connecting) = mpsc::channel(1);
        for _ in 0..self.connections {
            let client = Client {
                load: self.clone(),
                commands: commands.clone(),
                counts: OutcomeCounts::default(),
            };
            let connecting = sender.clone();
            match self.kind {
                LoadKind::KeepAlive | LoadKind::New => drop(clients.spawn(client.h1())),
                LoadKind::H2 => drop(clients.spawn(client.h2())),
                LoadKind::Burst => drop(clients.spawn(client.burst(connecting))),
            }
        }
        drop(sender);
        // Nothing is sent: the channel closes when the last client is connected.
        let nothing: Option<()> = connecting.recv().await;
        debug_assert!(nothing.is_none(), "no client sends a value");
        connected();
        let mut sum = OutcomeCounts::default();
        while let Some(client) = clients.join_next().await {
            sum += &client.expect("a client does not panic and is not aborted");
        }
        sum
    }
}

struct Client {
    load: Load,
    commands: LoadCommands,
    counts: OutcomeCounts,
}

impl Client {
    async fn h1(mut self) -> OutcomeCounts {
        let keep = self.load.kind == LoadKind::KeepAlive;
        let request = request(keep);
        while !self.commands.received(LoadCommand::Finish) {
            let Some(mut connection) = self.open_h1().await else {
                break;
            };
            while self.send_h1(&mut connection, request).await && keep {
                if !connection.stays_open_for(self.pause()).await {
                    break;
                }
            }
            if !keep {
                sleep(self.pause()).await;
            }
        }
        self.counts
    }

    async fn burst(mut self, connecting: mpsc::Sender<()>) -> OutcomeCounts {
        tokio::select! {
            () = self.commands.wait_for(LoadCommand::Burst) => {}
            () = self.commands.wait_for(LoadCommand::Finish) => return self.counts,
        }
        let request = request(false);
        let opened = h1::Connection::open_and_send(self.load.address, request, &self.commands).await;
        drop(connecting);
        match opened {
            Ok(mut connection) => drop(self.send_h1(&mut connection, request).await),
            Err(outcome) => self.counts.add(outcome),
        }
        self.counts
    }

    /// Connects, and counts the pending request if that fails.
    async fn open_h1(&mut self) -> Option<h1::Connection> {
        let opened = h1::Connection::open(self.load.address, &self.commands).await;
        opened.map_err(|outcome| self.counts.add(outcome)).ok()
    }

    /// Sends a request, and returns whether the connection is kept open.
    async fn send_h1(&mut self, connection: &mut h1::Connection, request: &[u8]) -> bool {
        tokio::select! {
            exchange = connection.send(request) => {
                self.counts.add(exchange.outcome);
                exchange.keep
            }
            () = self.commands.after_grace_period() => {
                self.counts.add(RequestOutcome::Lost(Loss::TimedOut));
                false
            }
        }
    }

    async fn h2(mut self) -> OutcomeCounts {
        while !self.commands.received(LoadCommand::Finish) {
            match h2::Connection::open(self.load.address, self.load.request_kind, &self.commands).await {
                Ok(mut connection) => self.streams(&mut connection).await,
                Err(outcome) => {
                    self.counts.add(outcome);
                    break;
                }
            }
        }
        self.counts
    }

    /// Sends requests on all streams of a connection until it ends.
    async fn streams(&mut self, connection: &mut h2::Connection) {
        // When each idle stream sends its next request.
        let mut due = vec![Instant::now(); STREAMS];
        while !connection.is_done() {
            due.sort_unstable_by(|one, other| other.cmp(one));
            let next = due.last().copied().filter(|_| connection.accepts_requests());
            tokio::select! {
                outcomes = connection.next() => {
                    for outcome in outcomes {
                        self.counts.add(outcome);
                        due.push(Instant::now() + self.pause());
                    }
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    due.pop();
                    connection.send_request().await;
                }
                () = self.commands.after_grace_period() => {
                    for _ in 0..connection.open_streams() {
                        self.counts.add(RequestOutcome::Lost(Loss::TimedOut));
                    }
                    return;
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        self.load.max_pause.mul_f64(fastrand::f64())
    }
}

fn request(keep: bool) -> &'static [u8] {
    if keep {
        b"GET / HTTP/1.1\r\nhost: drain\r\n\r\n"
    } else {
        b"GET / HTTP/1.1\r\nhost: drain\r\nconnection: close\r\n\r\n"
    }
}
