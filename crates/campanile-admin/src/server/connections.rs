//! The open connections and the task of each.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use campanile_listen::{Accepted, AcceptedStream, CountedIo, DescriptorReserve};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tower_service::Service;

use super::reserved_io::ReservedIo;
use super::write_timeout::WriteTimeout;
use crate::service::AdminService;
use crate::{Body, Peer};

/// The most open connections. A new one replaces the one that has been idle longest, so that probes always get through.
const MAX_CONNECTIONS: usize = 512;
/// How long a response other than an event stream may take, so that clients that read a byte at a time hold no response of
/// `/metrics` indefinitely.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// Also applies between requests: scrapers can reconnect.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Browsers send about twenty.
const MAX_HEADERS: usize = 64;
/// Bounds the kernel's send buffer. With its default, of megabytes, a page that does not read would be noticed after hours.
const MAX_UNSENT_BYTES: u32 = 64 * 1024;

/// The set of open connections.
pub(super) struct ConnectionSet {
    service: AdminService,
    reserve: DescriptorReserve,
    created: Instant,
    tasks: JoinSet<()>,
    connections: Vec<OpenConnection>,
}

struct OpenConnection {
    activity: Arc<ConnectionActivity>,
    shutdown: Arc<Notify>,
    task: AbortHandle,
}

impl ConnectionSet {
    pub(super) fn new(service: AdminService, reserve: DescriptorReserve) -> Self {
        Self {
            service,
            reserve,
            created: Instant::now(),
            tasks: JoinSet::new(),
            connections: Vec::new(),
        }
    }

    /// Spawns a task that serves the connection.
    pub(super) fn spawn(&mut self, accepted: Accepted) {
        self.connections
            .retain(|connection| !connection.task.is_finished());
        if self.connections.len() >= MAX_CONNECTIONS {
            self.evict_one();
        }
        let activity = Arc::new(ConnectionActivity::new(self.created));
        let shutdown = Arc::new(Notify::new());
        let peer = Peer::from(&accepted.peer);
        let serving = serve_connection(
            accepted.io,
            self.reserve.clone(),
            peer,
            self.service.clone(),
            Arc::clone(&activity),
            Arc::clone(&shutdown),
        );
        let task = self.tasks.spawn(serving);
        self.connections.push(OpenConnection {
            activity,
            shutdown,
            task,
        });
    }

    fn evict_one(&mut self) {
        let ranked = self.connections.iter().enumerate();
        let evicted = ranked.min_by_key(|(_, connection)| connection.activity.rank());
        if let Some((index, _)) = evicted {
            self.connections.swap_remove(index).task.abort();
        }
    }

    /// Removes completed tasks. A panic ends its own connection only.
    pub(super) fn poll_reap(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(_)) = self.tasks.poll_join_next(cx) {}
    }

    /// Waits for responses in flight, up to `timeout`, then drops all connections.
    pub(super) async fn close(mut self, timeout: Duration) {
        for connection in &self.connections {
            connection.shutdown.notify_one();
        }
        let completed = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(timeout, completed).await;
    }
}

/// Bounds the bytes that the kernel takes without having sent them.
#[cfg(target_os = "linux")]
fn bound_send_buffer(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_notsent_lowat(MAX_UNSENT_BYTES)
}

/// Bounds the bytes that the client has not acknowledged, which also bounds the throughput of distant clients: socket2 does
/// not set `TCP_NOTSENT_LOWAT` on this system.
#[cfg(not(target_os = "linux"))]
fn bound_send_buffer(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_send_buffer_size(MAX_UNSENT_BYTES as usize)
}

async fn serve_connection(
    io: CountedIo<AcceptedStream>,
    reserve: DescriptorReserve,
    peer: Peer,
    service: AdminService,
    activity: Arc<ConnectionActivity>,
    shutdown: Arc<Notify>,
) {
    if let Some(stream) = io.get_ref().as_tcp() {
        // Only delays the write timeout if it fails.
        let _ = bound_send_buffer(&SockRef::from(stream));
    }
    let respond = service_fn(|request| respond(request, peer, service.clone(), &activity));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .half_close(false)
        .serve_connection(
            TokioIo::new(WriteTimeout::new(ReservedIo::new(io, reserve))),
            respond,
        );
    let mut connection = pin!(connection);
    let mut shutdown = pin!(shutdown.notified());
    let mut limit = pin!(tokio::time::sleep(RESPONSE_TIMEOUT));
    let completed = poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        if let Some(end) = activity.response_deadline() {
            if limit.deadline() != end {
                limit.as_mut().reset(end);
            }
            if limit.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
        }
        shutdown.as_mut().poll(cx).map(|()| false)
    });
    // Errors are ignored: they are caused by the client.
    if !completed.await {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

async fn respond(
    mut request: Request<Incoming>,
    peer: Peer,
    mut service: AdminService,
    activity: &Arc<ConnectionActivity>,
) -> Result<Response<Body>, Infallible> {
    let active = ActiveResponse::start(activity);
    request.extensions_mut().insert(peer);
    let response = service.call(request).await?;
    activity
        .endless
        .store(response.body().is_endless(), Ordering::Relaxed);
    Ok(response.map(|body| body.with_guard(active)))
}

/// Whether a connection has a response in flight, and since when it has or has not.
#[derive(Debug)]
struct ConnectionActivity {
    created: Instant,
    /// Milliseconds since `created`.
    changed: AtomicU64,
    responding: AtomicBool,
    /// Whether the response is an event stream.
    endless: AtomicBool,
}

impl ConnectionActivity {
    fn new(created: Instant) -> Self {
        let activity = Self {
            created,
            changed: AtomicU64::new(0),
            responding: AtomicBool::new(false),
            endless: AtomicBool::new(false),
        };
        activity.set_responding(false);
        activity
    }

    /// Orders connections for eviction: idle ones first, the longest idle of them first.
    fn rank(&self) -> (bool, u64) {
        (
            self.responding.load(Ordering::Relaxed),
            self.changed.load(Ordering::Relaxed),
        )
    }

    /// Returns when the response in flight must have ended.
    fn response_deadline(&self) -> Option<Instant> {
        let is_limited = self.responding.load(Ordering::Relaxed) && !self.endless.load(Ordering::Relaxed);
        let since = Duration::from_millis(self.changed.load(Ordering::Relaxed));
        is_limited.then(|| self.created + since + RESPONSE_TIMEOUT)
    }

    fn set_responding(&self, responding: bool) {
        let changed = u64::try_from(self.created.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.changed.store(changed, Ordering::Relaxed);
        self.responding.store(responding, Ordering::Relaxed);
    }
}

/// Marks a connection as responding, from the request to the end of the response body.
#[derive(Debug)]
struct ActiveResponse(Arc<ConnectionActivity>);

impl ActiveResponse {
    fn start(activity: &Arc<ConnectionActivity>) -> Self {
        activity.set_responding(true);
        Self(Arc::clone(activity))
    }
}

impl Drop for ActiveResponse {
    fn drop(&mut self) {
        self.0.set_responding(false);
    }
}
