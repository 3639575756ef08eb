//! The attacks: each one opens a connection, misbehaves, and reports how it ended.

mod admin;
mod h1;
mod h2;
mod handshake;

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::targets::{Target, Targets};

/// How long an attacker waits for its end: longer than any time limit of the server and a freeze.
const PATIENCE: Duration = Duration::from_secs(20);

/// The ending of an attack that the server did not end.
pub(crate) const STILL_OPEN: &str = "still open after 20 s";

type Ending = io::Result<String>;
type Run = fn(Arc<Targets>, Target) -> Pin<Box<dyn Future<Output = Ending> + Send>>;

/// A kind of hostile client.
#[derive(Debug, Clone, Copy)]
struct Attack {
    name: &'static str,
    targets: &'static [Target],
    /// Clients at once, for each target.
    clients: usize,
    /// The longest pause of a client between two attempts.
    pause_ms: u64,
    run: Run,
}

/// Boxes an attack for the table.
macro_rules! run {
    ($attack:expr) => {
        |targets, target| Box::pin(async move { $attack(&targets, target).await })
    };
}

const HTTP: &[Target] = &[Target::Plain, Target::Tls, Target::Unix];
const PLAIN: &[Target] = &[Target::Plain];

#[rustfmt::skip]
const ATTACKS: &[Attack] = &[
    Attack { name: "silent connections", targets: PLAIN, clients: 330, pause_ms: 200, run: run!(h1::silent) },
    Attack { name: "silent connections, TLS and unix", targets: &[Target::Tls, Target::Unix], clients: 20, pause_ms: 200, run: run!(h1::silent) },
    Attack { name: "heads of a byte per second", targets: HTTP, clients: 15, pause_ms: 200, run: run!(h1::slow_head) },
    Attack { name: "heads that are too large", targets: HTTP, clients: 2, pause_ms: 500, run: run!(h1::large_head) },
    Attack { name: "invalid heads", targets: HTTP, clients: 2, pause_ms: 100, run: run!(h1::invalid_head) },
    Attack { name: "uploads that stall", targets: HTTP, clients: 8, pause_ms: 200, run: run!(h1::stalled_upload) },
    Attack { name: "uploads aborted half-way", targets: HTTP, clients: 3, pause_ms: 200, run: run!(h1::aborted_upload) },
    Attack { name: "responses read slowly", targets: HTTP, clients: 8, pause_ms: 200, run: run!(h1::slow_reader) },
    Attack { name: "clients that vanish in a response", targets: HTTP, clients: 3, pause_ms: 100, run: run!(h1::vanish) },
    Attack { name: "connections closed immediately", targets: HTTP, clients: 3, pause_ms: 20, run: run!(h1::connect_and_close) },
    Attack { name: "TLS to the plain port", targets: PLAIN, clients: 2, pause_ms: 500, run: run!(handshake::tls_to_plain) },
    Attack { name: "plain HTTP to the TLS port", targets: &[Target::Tls], clients: 2, pause_ms: 500, run: run!(handshake::plain_to_tls) },
    Attack { name: "half TLS handshakes", targets: &[Target::Tls], clients: 10, pause_ms: 200, run: run!(handshake::half_handshake) },
    Attack { name: "h2 responses with a window of 0", targets: HTTP, clients: 4, pause_ms: 200, run: run!(h2::zero_window) },
    Attack { name: "h2 connection window used up", targets: HTTP, clients: 4, pause_ms: 200, run: run!(h2::used_up_window) },
    Attack { name: "h2 PINGs without a request", targets: HTTP, clients: 4, pause_ms: 200, run: run!(h2::pings) },
    Attack { name: "h2 rapid reset", targets: HTTP, clients: 2, pause_ms: 500, run: run!(h2::rapid_reset) },
    Attack { name: "h2 SETTINGS flood", targets: HTTP, clients: 1, pause_ms: 1000, run: run!(h2::settings_flood) },
    Attack { name: "h2 PING flood", targets: HTTP, clients: 1, pause_ms: 1000, run: run!(h2::ping_flood) },
    Attack { name: "h2 CONTINUATION flood", targets: HTTP, clients: 1, pause_ms: 1000, run: run!(h2::continuation_flood) },
    Attack { name: "invented paths and request IDs", targets: HTTP, clients: 2, pause_ms: 50, run: run!(h1::invented_names) },
    Attack { name: "invented gRPC methods", targets: HTTP, clients: 2, pause_ms: 100, run: run!(h2::invented_methods) },
    Attack { name: "unix clients with odd names", targets: &[Target::Unix], clients: 2, pause_ms: 300, run: run!(handshake::odd_name) },
    Attack { name: "admin: silent connections", targets: &[Target::Admin], clients: 20, pause_ms: 200, run: run!(h1::silent) },
    Attack { name: "admin: heads that are too large", targets: &[Target::Admin], clients: 2, pause_ms: 500, run: run!(h1::large_head) },
    Attack { name: "admin: invalid heads", targets: &[Target::Admin], clients: 1, pause_ms: 200, run: run!(h1::invalid_head) },
    Attack { name: "admin: metrics never read", targets: &[Target::Admin], clients: 6, pause_ms: 500, run: run!(admin::unread_metrics) },
    Attack { name: "admin: live pages never read", targets: &[Target::Admin], clients: 6, pause_ms: 500, run: run!(admin::unread_live_page) },
    Attack { name: "admin: requests of other sites", targets: &[Target::Admin], clients: 2, pause_ms: 300, run: run!(admin::cross_site) },
];

/// What the attacks of each kind ended in: counts by ending.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<&'static str, BTreeMap<String, u64>>>>);

impl Tally {
    /// Returns the counts by attack and ending.
    #[must_use]
    pub fn endings(&self) -> BTreeMap<&'static str, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts an ending.
    pub fn add(&self, attack: &'static str, ending: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(attack).or_default().entry(ending).or_default() += 1;
    }

    /// Starts all attacks against the targets that the server has, until they are aborted.
    pub fn start(&self, targets: &Arc<Targets>, served: &[Target], tasks: &mut JoinSet<()>) {
        for attack in ATTACKS {
            for target in attack.targets.iter().filter(|target| served.contains(target)) {
                for _ in 0..attack.clients {
                    tasks.spawn(self.clone().attack(attack, Arc::clone(targets), *target));
                }
            }
        }
    }

    async fn attack(self, attack: &'static Attack, targets: Arc<Targets>, target: Target) {
        loop {
            sleep(Duration::from_millis(fastrand::u64(..=attack.pause_ms))).await;
            let ending = match timeout(PATIENCE, (attack.run)(Arc::clone(&targets), target)).await {
                Ok(Ok(ending)) => ending,
                Ok(Err(error)) => ended(&error),
                Err(_) => STILL_OPEN.to_owned(),
            };
            self.add(attack.name, ending);
        }
    }
}

/// Describes the error that ended a connection.
fn ended(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset".to_owned(),
        io::ErrorKind::UnexpectedEof => "closed".to_owned(),
        io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        _ if error.get_ref().is_some() => "TLS error".to_owned(),
        kind => kind.to_string(),
    }
}

/// Reads up to the status of a response, and returns it, or how the connection ended.
async fn response(stream: &mut (impl AsyncRead + Unpin)) -> Ending {
    let mut start = Vec::new();
    while start.len() < 12 {
        if stream.read_buf(&mut start).await? == 0 {
            return Ok("closed".to_owned());
        }
    }
    match start
        .get(9..12)
        .and_then(|status| std::str::from_utf8(status).ok())
    {
        Some(status) if start.starts_with(b"HTTP/1") => Ok(status.to_owned()),
        _ => Ok("other bytes".to_owned()),
    }
}

/// Reads to the end of the connection.
async fn end(stream: &mut (impl AsyncRead + Unpin)) -> Ending {
    let mut buffer = vec![0; 4096];
    while stream.read(&mut buffer).await? > 0 {}
    Ok("closed".to_owned())
}
