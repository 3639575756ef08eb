//! One shutdown: starts a server and four loads, signals the server, and collects the outcomes.

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
        accept_queue::waiting,
        process::{LoadProcess, Process},
    },
    load::LoadKind,
    load_command::LoadCommands,
    peers::{Addresses, Peer},
    request_outcome::{OutcomeCounts, RequestOutcome},
};

/// How long a server may take to start, and to exit.
const PATIENCE: Duration = Duration::from_secs(15);

/// The result of one shutdown.
#[derive(Debug)]
pub(super) struct ShutdownResult {
    pub(super) outcomes: BTreeMap<LoadKind, OutcomeCounts>,
    /// The time from the signal to the exit.
    pub(super) took: Duration,
    /// The number of connections in the accept queue at the signal.
    pub(super) waiting: u64,
    /// Whether the server was suspended until the burst was in its queue.
    pub(super) held: bool,
    /// `None` if the server had to be killed.
    pub(super) status: Option<ExitStatus>,
}

/// Runs shutdowns, with a directory for configurations and a supply of unused ports.
#[derive(Debug)]
pub(super) struct ShutdownRunner {
    folder: PathBuf,
    ports: std::iter::Cycle<std::ops::Range<u16>>,
    burst: usize,
    rng: Rng,
}

impl ShutdownRunner {
    pub(super) fn new(burst: usize, seed: u64) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("campanile-drain-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            // Below the ephemeral port range.
            ports: (20_000..32_000).cycle(),
            burst,
            rng: Rng::with_seed(seed),
        })
    }

    /// Starts a server, and shuts it down under load. With `held`, the server is suspended until the burst is in its queue.
    pub(super) async fn stop(&mut self, peer: Peer, held: bool) -> io::Result<ShutdownResult> {
        let addresses = self.addresses(peer);
        let log = self.folder.join("server.log");
        let mut command = peer.command(addresses, &self.folder)?;
        command.stderr(fs::File::create(&log)?);
        let mut server = Process::start(command)?;
        wait_until_ready(&mut server, addresses, &log).await?;
        let mut loads = BTreeMap::new();
        for kind in LoadKind::ALL {
            let address = if kind == LoadKind::H2 {
                addresses.h2
            } else {
                addresses.h1
            };
            let connections = self.connections(kind);
            loads.insert(
                kind,
                LoadProcess::start(kind, address, connections, peer.request_kind())?,
            );
        }
        sleep(self.random_duration(100..250)).await;

        let burst = loads.get_mut(&LoadKind::Burst).expect("a load of each kind");
        if held {
            server.signal_all(Signal::STOP)?;
            burst.send_command("burst").await?;
            burst.connected().await?;
        } else {
            burst.send_command("burst").await?;
            sleep(self.random_duration(0..40)).await;
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

        let mut outcomes = BTreeMap::new();
        for (kind, load) in loads {
            outcomes.insert(kind, load.finish().await?);
        }
        Ok(ShutdownResult {
            outcomes,
            took,
            waiting,
            held,
            status,
        })
    }

    fn connections(&self, kind: LoadKind) -> usize {
        match kind {
            LoadKind::KeepAlive => 100,
            LoadKind::New => 50,
            LoadKind::H2 => 10,
            LoadKind::Burst => self.burst,
        }
    }

    /// Returns one or two unused addresses.
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
            .expect("the ports cycle")
    }

    fn random_duration(&mut self, milliseconds: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.u64(milliseconds))
    }
}

impl Drop for ShutdownRunner {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Waits until the server responds.
async fn wait_until_ready(server: &mut Process, addresses: Addresses, log: &Path) -> io::Result<()> {
    let (_sender, commands) = LoadCommands::channel();
    let started = Instant::now();
    let failed = |what: String| {
        let log = fs::read_to_string(log).unwrap_or_default();
        Err(io::Error::other(format!("{what}\n{log}")))
    };
    loop {
        if let Some(status) = server.has_ended()? {
            return failed(format!("a server exited before it was ready ({status})"));
        }
        if let Ok(mut connection) = h1::Connection::open(addresses.h1, &commands).await {
            let request = b"GET / HTTP/1.1\r\nhost: drain\r\nconnection: close\r\n\r\n";
            match timeout(PATIENCE, connection.send(request)).await {
                Ok(exchange) if exchange.outcome == RequestOutcome::Completed => return Ok(()),
                other => return failed(format!("unexpected response of a server: {other:?}")),
            }
        }
        if started.elapsed() > PATIENCE {
            return failed(format!("a server does not listen after {PATIENCE:?}"));
        }
        sleep(Duration::from_millis(2)).await;
    }
}
