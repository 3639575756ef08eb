//! The walk of one connection.

use std::sync::Arc;
use std::time::Duration;

use campanile_lifecycle::ShutdownGuard;
use campanile_listen::Accepted;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Notify;

use super::before::{secure, tell_protocol};
use super::drive::drive;
use super::io::ServedIo;
use super::sniff::Protocol;
use super::state::State;
use super::streams::Streams;
use super::watch::Watch;
use crate::limits::{PING_INTERVAL, PING_TIMEOUT};
use crate::service::{Serve, Served};
use crate::site::Site;

/// Serves one connection to its end, or to its upgrade.
pub(crate) async fn serve<S: Serve>(
    accepted: Accepted,
    queue_wait: Option<Duration>,
    site: Arc<Site>,
    service: S,
    hold: ShutdownGuard,
) {
    let Accepted { io, peer, .. } = accepted;
    let local = io.get_ref().local_addr().ok();
    let state = Arc::new(State::new(
        Arc::clone(&site),
        peer,
        local,
        queue_wait,
        io.control(),
    ));

    let Some((stream, agreed)) = secure(io, &state).await else {
        return;
    };
    let mut io = ServedIo::new(stream, Arc::clone(&state), hold);
    let protocol = match agreed {
        Some(protocol) => protocol,
        None => match tell_protocol(&mut io, &state).await {
            Some(protocol) => protocol,
            None => return,
        },
    };
    io.set_protocol(protocol);
    let io = TokioIo::new(io);
    let service = Served::new(service, Arc::clone(&state));
    match protocol {
        Protocol::Http1 => {
            let http = site.http1.serve_connection(io, service).with_upgrades();
            drive(http, &state, Watch::new(&state, protocol, None)).await;
        }
        Protocol::Http2 => {
            let cut = Arc::new(Notify::new());
            let streams = Streams::new(Arc::clone(&state), Arc::clone(&cut));
            let http = http2_builder(streams).serve_connection(io, service);
            let watch = Watch::new(&state, protocol, Some(&cut));
            // Larger than HTTP/1's, which most connections speak.
            Box::pin(drive(http, &state, watch)).await;
        }
    }
}

fn http2_builder(streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(200)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}
