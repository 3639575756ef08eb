//! The task of one connection.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use campanile_lifecycle::ShutdownGuard;
use campanile_listen::Accepted;
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;

use super::failure::on_error;
use super::h2_executor::H2Executor;
use super::handshake::{identify_protocol, secure};
use super::io::ConnectionIo;
use super::shutdown::{Action, ConnectionShutdown};
use super::sniff::Protocol;
use super::state::ConnectionState;
use crate::listener_context::ListenerContext;
use crate::service::{BoxError, Serve, Served};

/// Serves one connection until it closes or is upgraded.
pub(crate) async fn serve<S: Serve>(
    accepted: Accepted,
    queue_wait: Option<Duration>,
    context: Arc<ListenerContext>,
    service: S,
    guard: ShutdownGuard,
) {
    let Accepted { io, peer, .. } = accepted;
    let local = io.get_ref().local_addr().ok();
    let state = Arc::new(ConnectionState::new(
        Arc::clone(&context),
        peer,
        local,
        queue_wait,
        io.control(),
    ));

    let _registration = match &context.evictions {
        Some(registry) => {
            poll_fn(|cx| {
                state.eviction.allow(cx.waker());
                Poll::Ready(())
            })
            .await;
            Some(registry.register(Arc::clone(&state)))
        }
        None => None,
    };
    let Some((stream, negotiated)) = secure(io, &state).await else {
        return;
    };
    let mut io = ConnectionIo::new(stream, Arc::clone(&state), guard);
    let protocol = match negotiated {
        Some(protocol) => protocol,
        None => match identify_protocol(&mut io, &state).await {
            Some(protocol) => protocol,
            None => return,
        },
    };
    io.set_protocol(protocol);
    let io = TokioIo::new(io);
    let service = Served::new(service, Arc::clone(&state));
    match protocol {
        Protocol::Http1 => {
            let http = context.http1.serve_connection(io, service).with_upgrades();
            drive(http, &state, ConnectionShutdown::new(&state, protocol, None)).await;
        }
        Protocol::Http2 => {
            let wake = Arc::new(Notify::new());
            let executor = H2Executor::new(Arc::clone(&state), Arc::clone(&wake));
            let http = context
                .limits
                .http2_builder(executor)
                .serve_connection(io, service);
            let shutdown = ConnectionShutdown::new(&state, protocol, Some(&wake));
            // Boxed: it is larger than the future of HTTP/1, which most connections use.
            Box::pin(drive(http, &state, shutdown)).await;
        }
    }
}

/// hyper's connection of either protocol.
trait HttpConnection: Future<Output = hyper::Result<()>> {
    fn graceful_shutdown(self: Pin<&mut Self>);
}

impl<I, S, B> HttpConnection for http1::UpgradeableConnection<I, S>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: Read + Write + Unpin + Send + 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }
}

impl<I, S, E, B> HttpConnection for http2::Connection<I, S, E>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: Read + Write + Unpin,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }
}

/// Polls HTTP until it ends or is dropped, and takes the actions of the shutdown.
async fn drive(http: impl HttpConnection, state: &ConnectionState, mut shutdown: ConnectionShutdown<'_>) {
    let mut http = pin!(http);
    loop {
        let action = poll_fn(|cx| match http.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Err(ended)),
            Poll::Pending => shutdown.poll(cx).map(Ok),
        });
        match action.await {
            Ok(Action::ShutDown) => http.as_mut().graceful_shutdown(),
            Ok(Action::PollHttp) => {}
            Ok(Action::Drop(reason)) => {
                state.set_dropped();
                tracing::debug!(peer = %state.peer(), reason, "connection dropped");
                return;
            }
            Err(Ok(())) => return,
            Err(Err(error)) => {
                state.set_dropped();
                on_error(state, &error);
                return;
            }
        }
    }
}
