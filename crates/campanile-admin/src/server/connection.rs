//! One connection.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use campanile_listen::{AcceptedStream, CountedIo};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::sync::Notify;
use tower_service::Service;

use super::activity::Activity;
use super::patience::Impatient;
use crate::service::AdminService;
use crate::{Body, Peer};

/// A head that has not come by then, also that of the next request, will not come: whoever scrapes connects anew.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The longest head, and what is read ahead of a body.
const BUFFER: usize = 16 * 1024;
/// The most headers: a browser sends twenty.
const HEADERS: usize = 64;
/// The kernel keeps so much that it could not send yet. With its own limit, of megabytes, a page that never reads would be
/// found out after hours.
const UNSENT: u32 = 64 * 1024;

pub(super) async fn serve(
    io: CountedIo<AcceptedStream>,
    peer: Peer,
    service: AdminService,
    activity: Arc<Activity>,
    closing: Arc<Notify>,
) {
    if let Some(stream) = io.get_ref().as_tcp() {
        // Without it all works, but for who never reads.
        let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT);
    }
    let answer = service_fn(|request| answer(request, peer, service.clone(), &activity));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEADERS)
        .max_buf_size(BUFFER)
        .half_close(false)
        .serve_connection(TokioIo::new(Impatient::new(io)), answer);
    let mut connection = pin!(connection);
    let closing = pin!(closing.notified());
    // What a connection fails with is its client's doing, and nobody's news.
    if first(connection.as_mut(), closing).await {
        return;
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Waits for either, and tells whether it was the first.
async fn first(mut one: impl Future + Unpin, mut other: impl Future + Unpin) -> bool {
    use std::{future::poll_fn, pin::Pin, task::Poll};
    poll_fn(|cx| {
        if Pin::new(&mut one).poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        Pin::new(&mut other).poll(cx).map(|_| false)
    })
    .await
}

async fn answer(
    mut request: Request<Incoming>,
    peer: Peer,
    mut service: AdminService,
    activity: &Arc<Activity>,
) -> Result<Response<Body>, Infallible> {
    let answering = activity.begin();
    request.extensions_mut().insert(peer);
    let response = service.call(request).await?;
    Ok(response.map(|body| body.with_guard(answering)))
}
