//! Good clients: each request must be served, however long the server is attacked, frozen or restarted.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use campanile_drain::{
    client::{h1, h2},
    load_command::LoadCommands,
    request_outcome::RequestOutcome,
};
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::targets::{Stream, Target, Targets};

/// How long a request may take, connecting included.
pub const PATIENCE: Duration = Duration::from_secs(10);
const MAX_PAUSE: f64 = 0.1;
const KEEP_ALIVE: &[u8] = b"GET / HTTP/1.1\r\nhost: siege\r\n\r\n";
const CLOSE: &[u8] = b"GET / HTTP/1.1\r\nhost: siege\r\nconnection: close\r\n\r\n";

/// What became of the requests of one kind of client.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Served {
    /// All requests.
    pub requests: u64,
    /// Those that the client repeated, because HTTP says that the server did not process them.
    pub repeated: u64,
    /// Failed ones by reason.
    pub failed: BTreeMap<String, u64>,
    /// The longest of the served.
    pub worst: Duration,
}

/// The counts by kind.
#[derive(Debug, Clone, Default)]
pub struct GoodClients(Arc<Mutex<BTreeMap<&'static str, Served>>>);

/// The end of a request.
enum Outcome {
    Served,
    Repeat,
    Failed(String),
}

impl From<RequestOutcome> for Outcome {
    fn from(outcome: RequestOutcome) -> Self {
        match outcome {
            RequestOutcome::Completed => Self::Served,
            RequestOutcome::AboveGoaway | RequestOutcome::IdleClose => Self::Repeat,
            RequestOutcome::Lost(loss) => Self::Failed(loss.to_string()),
            RequestOutcome::Refused => Self::Failed("refused".to_owned()),
            RequestOutcome::Unsent => Self::Failed("not sent".to_owned()),
        }
    }
}

impl GoodClients {
    /// Returns the counts.
    #[must_use]
    pub fn served(&self) -> BTreeMap<&'static str, Served> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts clients of all kinds that the server serves, until they are aborted.
    ///
    /// # Errors
    ///
    /// If the listener has no address.
    pub fn start(&self, targets: &Arc<Targets>, all: bool, tasks: &mut JoinSet<()>) -> io::Result<()> {
        let address = targets.address()?;
        let (sender, commands) = LoadCommands::channel();
        for _ in 0..4 {
            tasks.spawn(self.clone().keep_alive(address, commands.clone()));
            tasks.spawn(self.clone().new_connections(address, commands.clone()));
            tasks.spawn(self.clone().multiplexed(address, commands.clone()));
        }
        // Without a sender the clients would miss their commands; none is ever sent.
        tasks.spawn(async move {
            let _sender = sender;
            std::future::pending::<()>().await;
        });
        if all {
            for _ in 0..2 {
                let fetch = |kind, target, path| {
                    self.clone()
                        .fetch_in_a_loop(kind, Arc::clone(targets), target, path)
                };
                tasks.spawn(fetch("TLS h1 new", Target::Tls, "/"));
                tasks.spawn(fetch("unix h1 new", Target::Unix, "/"));
                tasks.spawn(fetch("h1 /slow", Target::Plain, "/slow"));
                tasks.spawn(fetch("h1 /big", Target::Plain, "/big"));
                tasks.spawn(self.clone().tls_h2(Arc::clone(targets)));
            }
            tasks.spawn(self.clone().poll_admin(Arc::clone(targets)));
        }
        Ok(())
    }

    async fn count(&self, kind: &'static str, exchange: impl Future<Output = Outcome>) {
        let begun = Instant::now();
        let outcome = timeout(PATIENCE, exchange).await;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let served = all.entry(kind).or_default();
        served.requests += 1;
        match outcome {
            Ok(Outcome::Served) => served.worst = served.worst.max(begun.elapsed()),
            Ok(Outcome::Repeat) => served.repeated += 1,
            Ok(Outcome::Failed(reason)) => *served.failed.entry(reason).or_default() += 1,
            Err(_) => {
                *served
                    .failed
                    .entry("not served within 10 s".to_owned())
                    .or_default() += 1
            }
        }
    }

    async fn keep_alive(self, address: std::net::SocketAddr, commands: LoadCommands) {
        let mut kept = None;
        loop {
            self.count("h1 kept alive", async {
                let mut connection = match kept.take() {
                    Some(connection) => connection,
                    None => match h1::Connection::open(address, &commands).await {
                        Ok(connection) => connection,
                        Err(outcome) => return outcome.into(),
                    },
                };
                let exchange = connection.send(KEEP_ALIVE).await;
                kept = exchange.keep.then_some(connection);
                exchange.outcome.into()
            })
            .await;
            if let Some(connection) = kept.take()
                && connection.stays_open_for(pause()).await
            {
                kept = Some(connection);
            }
        }
    }

    async fn new_connections(self, address: std::net::SocketAddr, commands: LoadCommands) {
        loop {
            self.count("h1 new", async {
                match h1::Connection::open(address, &commands).await {
                    Ok(mut connection) => connection.send(CLOSE).await.outcome.into(),
                    Err(outcome) => outcome.into(),
                }
            })
            .await;
            sleep(pause()).await;
        }
    }

    async fn multiplexed(self, address: std::net::SocketAddr, commands: LoadCommands) {
        let mut kept: Option<h2::Connection> = None;
        loop {
            self.count("h2", async {
                let usable = kept.take().filter(h2::Connection::accepts_requests);
                let mut connection = match usable {
                    Some(connection) => connection,
                    None => match h2::Connection::open(address, h2::RequestKind::Get, &commands).await {
                        Ok(connection) => connection,
                        Err(outcome) => return outcome.into(),
                    },
                };
                connection.send_request().await;
                loop {
                    if let Some(outcome) = connection.next().await.pop() {
                        kept = Some(connection);
                        return outcome.into();
                    }
                    if connection.is_done() {
                        return Outcome::Failed("closed without an outcome".to_owned());
                    }
                }
            })
            .await;
            // Frames that arrive in the pause are read, as a real client does.
            let pause = sleep(pause());
            tokio::pin!(pause);
            loop {
                match &mut kept {
                    Some(connection) if connection.accepts_requests() => tokio::select! {
                        () = &mut pause => break,
                        _ = connection.next() => {}
                    },
                    _ => {
                        (&mut pause).await;
                        break;
                    }
                }
            }
        }
    }

    async fn fetch_in_a_loop(
        self,
        kind: &'static str,
        targets: Arc<Targets>,
        target: Target,
        path: &'static str,
    ) {
        loop {
            self.count(kind, async { fetch_outcome(&targets, target, path).await })
                .await;
            sleep(pause()).await;
        }
    }

    async fn poll_admin(self, targets: Arc<Targets>) {
        loop {
            for path in ["/livez", "/readyz", "/metrics"] {
                self.count("admin", async {
                    fetch_outcome(&targets, Target::Admin, path).await
                })
                .await;
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    async fn tls_h2(self, targets: Arc<Targets>) {
        let mut kept = None;
        loop {
            self.count("TLS h2", async {
                let mut sender = match kept.take() {
                    Some(sender) => sender,
                    None => match connect_h2(&targets).await {
                        Ok(sender) => sender,
                        Err(error) => return Outcome::Failed(describe(&*error)),
                    },
                };
                if sender.ready().await.is_err() {
                    return Outcome::Repeat;
                }
                let request = Request::get("https://localhost/").body(Empty::new());
                let request = request.expect("the request is valid");
                match sender.send_request(request).await {
                    Ok(response) if response.status() != 200 => {
                        Outcome::Failed(response.status().to_string())
                    }
                    Ok(response) => match response.collect().await {
                        Ok(_) => {
                            kept = Some(sender);
                            Outcome::Served
                        }
                        Err(error) => Outcome::Failed(describe(&error)),
                    },
                    // hyper never sent it.
                    Err(error) if error.is_canceled() || error.to_string().contains("NO_ERROR") => {
                        Outcome::Repeat
                    }
                    Err(error) => Outcome::Failed(describe(&error)),
                }
            })
            .await;
            sleep(pause()).await;
        }
    }
}

async fn connect_h2(
    targets: &Targets,
) -> Result<hyper::client::conn::http2::SendRequest<Empty<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = targets.connect(Target::Tls, true).await?;
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn fetch_outcome(targets: &Targets, target: Target, path: &str) -> Outcome {
    let stream = match targets.connect(target, false).await {
        Ok(stream) => stream,
        Err(error) => return Outcome::Failed(format!("connect: {}", describe(&error))),
    };
    match fetch(stream, path).await {
        Ok((200, _)) => Outcome::Served,
        Ok((status, _)) => Outcome::Failed(format!("{path}: {status}")),
        Err(error) => Outcome::Failed(format!("{path}: {}", describe(&error))),
    }
}

/// Sends a GET request and reads the whole response.
///
/// # Errors
///
/// Errors of hyper, also if the response is incomplete.
pub async fn fetch(stream: Stream, path: &str) -> hyper::Result<(u16, Bytes)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header("host", "localhost")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .expect("the request is valid");
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.collect().await?.to_bytes()))
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        result = &mut exchange => result,
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error),
        },
    }
}

fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn pause() -> Duration {
    Duration::from_secs_f64(MAX_PAUSE * fastrand::f64())
}
