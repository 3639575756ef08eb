//! A load of one kind: closed loops, or a burst of connections when it is told so.

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
    fate::{Fate, Loss, Tally},
    order::{Order, Orders},
};

/// Streams that an HTTP/2 connection has at once, at most.
const STREAMS: usize = 10;

/// What kind of clients make the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, reason = "the kinds that the comparison tells of")]
pub enum Kind {
    /// HTTP/1, connections kept open.
    KeepAlive,
    /// HTTP/1, a connection for each request.
    New,
    /// HTTP/2 by prior knowledge, ten streams at once.
    H2,
    /// HTTP/1, all connections at once, each with one request.
    Burst,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::KeepAlive, Self::New, Self::H2, Self::Burst];

    /// Returns its name in tables.
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

/// Who asks whom.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Load {
    /// The server.
    pub address: SocketAddr,
    /// The kind of clients.
    pub kind: Kind,
    /// How many connections there are at once.
    pub connections: usize,
    /// What HTTP/2 clients ask.
    pub ask: h2::Ask,
    /// How long a client rests after an answer, at most; half of it on average.
    pub rest: Duration,
}

impl Load {
    /// Describes a load.
    #[must_use]
    pub fn new(kind: Kind, address: SocketAddr, connections: usize) -> Self {
        Self {
            address,
            kind,
            connections,
            ask: h2::Ask::Get,
            rest: Duration::from_millis(40),
        }
    }

    /// Asks until the server is gone, and tells what came of all requests.
    ///
    /// `connected` is called once, when all requests of a burst are sent, or have failed.
    pub async fn run(self, orders: Orders, connected: impl FnOnce()) -> Tally {
        let mut clients = JoinSet::new();
        let (sender, mut connecting) = mpsc::channel(1);
        for _ in 0..self.connections {
            let client = Client {
                load: self.clone(),
                orders: orders.clone(),
                tally: Tally::default(),
            };
            let connecting = sender.clone();
            match self.kind {
                Kind::KeepAlive | Kind::New => drop(clients.spawn(client.h1())),
                Kind::H2 => drop(clients.spawn(client.h2())),
                Kind::Burst => drop(clients.spawn(client.burst(connecting))),
            }
        }
        drop(sender);
        // Nothing is ever sent: the channel ends when the last client has its connection.
        let nothing: Option<()> = connecting.recv().await;
        debug_assert!(nothing.is_none(), "a client that waits has said something");
        connected();
        let mut sum = Tally::default();
        while let Some(client) = clients.join_next().await {
            sum += &client.expect("a client does not panic and is not aborted");
        }
        sum
    }
}

struct Client {
    load: Load,
    orders: Orders,
    tally: Tally,
}

impl Client {
    async fn h1(mut self) -> Tally {
        let keep = self.load.kind == Kind::KeepAlive;
        let request = request(keep);
        while !self.orders.given(Order::Finish) {
            let Some(mut connection) = self.open_h1().await else {
                break;
            };
            while self.ask_h1(&mut connection, request).await && keep {
                if !connection.rest(self.rest()).await {
                    break;
                }
            }
            if !keep {
                sleep(self.rest()).await;
            }
        }
        self.tally
    }

    async fn burst(mut self, connecting: mpsc::Sender<()>) -> Tally {
        tokio::select! {
            () = self.orders.until(Order::Burst) => {}
            () = self.orders.until(Order::Finish) => return self.tally,
        }
        let request = request(false);
        let opened = h1::Connection::open_and_send(self.load.address, request, &self.orders).await;
        drop(connecting);
        match opened {
            Ok(mut connection) => drop(self.ask_h1(&mut connection, request).await),
            Err(fate) => self.tally.add(fate),
        }
        self.tally
    }

    /// Connects; counts the request that there was to send if it cannot.
    async fn open_h1(&mut self) -> Option<h1::Connection> {
        let opened = h1::Connection::open(self.load.address, &self.orders).await;
        opened.map_err(|fate| self.tally.add(fate)).ok()
    }

    /// Tells whether the connection is kept.
    async fn ask_h1(&mut self, connection: &mut h1::Connection, request: &[u8]) -> bool {
        tokio::select! {
            exchange = connection.ask(request) => {
                self.tally.add(exchange.fate);
                exchange.keep
            }
            () = self.orders.past_grace() => {
                self.tally.add(Fate::Lost(Loss::TimedOut));
                false
            }
        }
    }

    async fn h2(mut self) -> Tally {
        while !self.orders.given(Order::Finish) {
            match h2::Connection::open(self.load.address, self.load.ask, &self.orders).await {
                Ok(mut connection) => self.streams(&mut connection).await,
                Err(fate) => {
                    self.tally.add(fate);
                    break;
                }
            }
        }
        self.tally
    }

    /// Asks on all streams of a connection until it is done.
    async fn streams(&mut self, connection: &mut h2::Connection) {
        // When each stream that rests has its next request.
        let mut due = vec![Instant::now(); STREAMS];
        while !connection.is_done() {
            due.sort_unstable_by(|one, other| other.cmp(one));
            let next = due.last().copied().filter(|_| connection.takes_more());
            tokio::select! {
                fates = connection.next() => {
                    for fate in fates {
                        self.tally.add(fate);
                        due.push(Instant::now() + self.rest());
                    }
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    due.pop();
                    connection.ask().await;
                }
                () = self.orders.past_grace() => {
                    for _ in 0..connection.open_streams() {
                        self.tally.add(Fate::Lost(Loss::TimedOut));
                    }
                    return;
                }
            }
        }
    }

    fn rest(&self) -> Duration {
        self.load.rest.mul_f64(fastrand::f64())
    }
}

fn request(keep: bool) -> &'static [u8] {
    if keep {
        b"GET / HTTP/1.1\r\nhost: drain\r\n\r\n"
    } else {
        b"GET / HTTP/1.1\r\nhost: drain\r\nconnection: close\r\n\r\n"
    }
}
