//! Polls the HTTP of a connection, and does what its watch orders.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;

use super::state::State;
use super::watch::{Order, Watch};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// hyper's two kinds of connection.
pub(super) trait Http: Future<Output = hyper::Result<()>> {
    /// Takes no more than what is in flight; what is idle ends.
    fn leave(self: Pin<&mut Self>);
}

impl<I, S, B> Http for http1::UpgradeableConnection<I, S>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: Read + Write + Unpin + Send + 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, E, B> Http for http2::Connection<I, S, E>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: Read + Write + Unpin,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Comes to the end of a connection, or to its upgrade.
pub(super) async fn drive(http: impl Http, state: &State, mut watch: Watch<'_>) {
    let mut http = pin!(http);
    loop {
        let order = poll_fn(|cx| match http.as_mut().poll(cx) {
            Poll::Ready(ended) => Poll::Ready(Err(ended)),
            Poll::Pending => watch.poll(cx).map(Ok),
        });
        match order.await {
            Ok(Order::Leave) => http.as_mut().leave(),
            Ok(Order::Look) => {}
            Ok(Order::Abandon(why)) => {
                tracing::debug!(peer = %state.peer(), why, "connection is dropped");
                return;
            }
            Err(Ok(())) => return,
            Err(Err(error)) if error.is_user() => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(peer = %state.peer(), error, "the service ended a connection");
                return;
            }
            Err(Err(error)) => {
                if error.is_parse() {
                    // hyper has said what it thinks of it, and reads no further.
                    state.set_lingers(true);
                }
                let error: &dyn std::error::Error = &error;
                tracing::debug!(peer = %state.peer(), error, "connection failed");
                return;
            }
        }
    }
}
