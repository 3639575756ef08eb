//! The servers under siege, each in a process of its own with inherited listeners.

use std::{
    fs::{self, File},
    future::pending,
    io,
    net::TcpListener,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    response::sse::{Event, KeepAlive, Sse},
    routing::{get, post},
};
use bytes::Bytes;
use campanile_listen::{Connections, Listener, Sharing};
use campanile_recorder::CellRecorder;
use campanile_server::{Server, Tls};
use clap::ValueEnum;
use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::{StreamExt, wrappers::IntervalStream};

/// The connection limit of each listener.
pub const MAX_CONNECTIONS: usize = 400;
/// The limit of request heads.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// How long requests in flight may take at a shutdown.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(8);
/// How long the server goes on accepting at a shutdown.
pub const DRAIN_TIME: Duration = Duration::from_secs(1);
/// The longest time limit of a connection: without a request, or with a response that is not read.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

const SHORT_TIMEOUT: Duration = Duration::from_secs(3);
const BIG: &[u8] = &[b'x'; 1 << 20];

/// A server to besiege.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(clippy::exhaustive_enums, reason = "the columns of the comparison")]
pub enum ServerKind {
    /// campanile-server with all layers, an admin port and shared metrics.
    Campanile,
    /// `axum::serve`.
    Axum,
}

/// Returns the file of a certificate or key for `localhost`.
#[must_use]
pub fn certificate(name: &str) -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "../../crates/campanile-server/tests/certificates",
        name,
    ]
    .iter()
    .collect()
}

/// Serves until a shutdown is complete. Standard input is the TCP listener; standard output that for TLS and standard error
/// the unix one.
///
/// # Errors
///
/// If it cannot start.
#[tokio::main]
pub async fn run(kind: ServerKind, folder: &Path, generation: u32) -> io::Result<()> {
    match kind {
        ServerKind::Campanile => serve_campanile(folder, generation).await,
        ServerKind::Axum => serve_axum(folder, generation).await,
    }
}

async fn serve_campanile(folder: &Path, generation: u32) -> io::Result<()> {
    let log = File::create(folder.join(format!("log-{generation}")))?;
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(Mutex::new(log))
        .init();
    // Standard error is a listener.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let metrics = CellRecorder::builder()
        .open(folder.join("metrics"))
        .map_err(io::Error::other)?
        .install()
        .map_err(io::Error::other)?;
    let tls =
        Tls::from_pem_files(certificate("first.pem"), certificate("first.key")).map_err(io::Error::other)?;
    let server = Server::new(router().layer(campanile_inbound::stack()))
        .listener(listener("tcp", io::stdin())?)
        .listener_tls(listener("tls", io::stdout())?, tls)
        .listener(listener("unix", io::stderr())?)
        .admin("127.0.0.1:0")
        .admin_metrics(metrics)
        .eviction(true)
        .max_head_bytes(MAX_HEAD_BYTES)
        .header_read_timeout(SHORT_TIMEOUT)
        .body_read_timeout(SHORT_TIMEOUT)
        .sniff_timeout(SHORT_TIMEOUT)
        .handshake_timeout(SHORT_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .drain_time(DRAIN_TIME)
        .stop_timeout(STOP_TIMEOUT);
    let bound = server.try_bind().map_err(io::Error::other)?;
    let admin = bound.admin_address().map(ToString::to_string).unwrap_or_default();
    let handle = bound.handle();
    let ready = async {
        handle.ready().await;
        announce(folder, generation, &admin)
    };
    let (report, announced) = tokio::join!(bound.run(), ready);
    tracing::info!("{report:?}");
    announced
}

fn listener(label: &str, descriptor: impl AsFd) -> io::Result<Listener> {
    let connections = Connections::new(label).with_limit(MAX_CONNECTIONS);
    Ok(Listener::from_fd(inherited(descriptor)?, Sharing::Shared)?.with_connections(connections))
}

fn inherited(descriptor: impl AsFd) -> io::Result<OwnedFd> {
    descriptor.as_fd().try_clone_to_owned()
}

async fn serve_axum(folder: &Path, generation: u32) -> io::Result<()> {
    let listener = TcpListener::from(inherited(io::stdin())?);
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut terminated = signal(SignalKind::terminate())?;
    announce(folder, generation, "")?;
    axum::serve(listener, router())
        .with_graceful_shutdown(async move {
            terminated.recv().await;
        })
        .await
}

/// Writes the file that says that this generation serves, with its admin address.
fn announce(folder: &Path, generation: u32, admin: &str) -> io::Result<()> {
    let new = folder.join(format!("new-{generation}"));
    fs::write(&new, admin)?;
    fs::rename(new, folder.join(format!("ready-{generation}")))
}

fn router() -> Router {
    Router::new()
        .route("/", get("ok"))
        .route(
            "/slow",
            get(async || {
                tokio::time::sleep(Duration::from_secs(1)).await;
                "ok"
            }),
        )
        .route("/never", get(pending::<&'static str>))
        .route("/big", get(async || Body::from(BIG)))
        .route(
            "/upload",
            post(async |body: Bytes| body.len().to_string())
                .layer(axum::extract::DefaultBodyLimit::max(1 << 24)),
        )
        .route(
            "/sse",
            get(async || {
                let ticks = IntervalStream::new(tokio::time::interval(Duration::from_millis(500)));
                Sse::new(ticks.map(|_| Ok::<_, std::convert::Infallible>(Event::default().data("tick"))))
                    .keep_alive(KeepAlive::default())
            }),
        )
}
