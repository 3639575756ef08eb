//! One stop: a server is started, asked by four processes, told to end, and its clients are asked what they saw.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use fastrand::Rng;
use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    client::h1,
    compare::{
        listener::waiting,
        process::{LoadProcess, Process},
    },
    fate::{Fate, Tally},
    load::Kind,
    order::Orders,
    peers::{Addresses, Peer},
};

/// How long a server may take to answer for the first time, and to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// What one stop showed.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) seen: BTreeMap<Kind, Tally>,
    /// From the signal to the exit.
    pub(super) took: Duration,
    /// How many connections waited in the listener's queue at the signal.
    pub(super) waiting: u64,
    /// Whether it stood still until the burst was in its queue.
    pub(super) held: bool,
    /// `None` if it had to be killed.
    pub(super) status: Option<ExitStatus>,
}

/// Where stops happen: a folder for configurations, ports that were not used lately.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    ports: std::iter::Cycle<std::ops::Range<u16>>,
    burst: usize,
    rng: Rng,
}

impl Place {
    pub(super) fn new(burst: usize, seed: u64) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("campanile-drain-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            // Below the range that connections take theirs from.
            ports: (20_000..32_000).cycle(),
            burst,
            rng: Rng::with_seed(seed),
        })
    }

    /// Starts a server, and stops it under load. If it is `held`, it stands still until the burst is in its queue.
    pub(super) async fn stop(&mut self, peer: Peer, held: bool) -> io::Result<Stopped> {
        let addresses = self.addresses(peer);
        let log = self.folder.join("server.log");
        let mut command = peer.command(addresses, &self.folder)?;
        command.stderr(fs::File::create(&log)?);
        let mut server = Process::start(command)?;
        answers(&mut server, addresses, &log).await?;
        let mut loads = BTreeMap::new();
        for kind in Kind::ALL {
            let address = if kind == Kind::H2 {
                addresses.h2
            } else {
                addresses.h1
            };
            let connections = self.connections(kind);
            loads.insert(kind, LoadProcess::start(kind, address, connections, peer.ask())?);
        }
        sleep(self.moment(100..250)).await;

        let burst = loads.get_mut(&Kind::Burst).expect("there is one of each kind");
        if held {
            server.signal_all(Signal::STOP)?;
            burst.order("burst").await?;
            burst.connected().await?;
        } else {
            burst.order("burst").await?;
            sleep(self.moment(0..40)).await;
        }
        let waiting = waiting(addresses.h1);
        server.signal(peer.signal())?;
        let signalled = Instant::now();
        if held {
            server.signal_all(Signal::CONT)?;
        }
        let status = match timeout(PATIENCE, server.ended()).await {
            Ok(status) => Some(status?),
            Err(_) => None,
        };
        let took = signalled.elapsed();
        drop(server);

        let mut seen = BTreeMap::new();
        for (kind, load) in loads {
            seen.insert(kind, load.finish().await?);
        }
        Ok(Stopped {
            seen,
            took,
            waiting,
            held,
            status,
        })
    }

    fn connections(&self, kind: Kind) -> usize {
        match kind {
            Kind::KeepAlive => 100,
            Kind::New => 50,
            Kind::H2 => 10,
            Kind::Burst => self.burst,
        }
    }

    /// A port, or two, that nobody listens on.
    fn addresses(&mut self, peer: Peer) -> Addresses {
        let h1 = self.address();
        let h2 = if peer.needs_two_ports() {
            self.address()
        } else {
            h1
        };
        Addresses { h1, h2 }
    }

    fn address(&mut self) -> SocketAddr {
        let mut addresses = self.ports.by_ref().map(|port| (Ipv4Addr::LOCALHOST, port).into());
        addresses
            .find(|address: &SocketAddr| TcpListener::bind(address).is_ok())
            .expect("the ports go round for ever")
    }

    fn moment(&mut self, milliseconds: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(milliseconds))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Waits until the server answers.
async fn answers(server: &mut Process, addresses: Addresses, log: &Path) -> io::Result<()> {
    let (_sender, orders) = Orders::channel();
    let started = Instant::now();
    let failed = |what: String| {
        let log = fs::read_to_string(log).unwrap_or_default();
        Err(io::Error::other(format!("{what}\n{log}")))
    };
    loop {
        if let Some(status) = server.has_ended()? {
            return failed(format!("a server ended before it was asked anything ({status})"));
        }
        if let Ok(mut connection) = h1::Connection::open(addresses.h1, &orders).await {
            let request = b"GET / HTTP/1.1\r\nhost: drain\r\nconnection: close\r\n\r\n";
            match timeout(PATIENCE, connection.ask(request)).await {
                Ok(exchange) if exchange.fate == Fate::Answered => return Ok(()),
                other => return failed(format!("a server does not answer as it should: {other:?}")),
            }
        }
        if started.elapsed() > PATIENCE {
            return failed(format!("after {PATIENCE:?} a server does not listen"));
        }
        sleep(Duration::from_millis(2)).await;
    }
}
