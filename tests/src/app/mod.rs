//! An application that ends its exchanges in every way there is.

mod answer;
mod bodies;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::Body;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use tokio::sync::oneshot;
use tower::{BoxError, Service};

/// The header by which a client recognises its own visit.
pub const TOKEN: &str = "x-token";

/// The application. A clone is the same one.
#[derive(Clone, Default)]
pub struct App(Arc<Shared>);

#[derive(Default)]
struct Shared {
    visits: Mutex<HashMap<String, Expected>>,
    next: AtomicU64,
}

struct Expected {
    arrived: oneshot::Sender<()>,
    go_on: oneshot::Receiver<()>,
}

/// A request that the client will send, seen from outside.
#[derive(Debug)]
pub struct Visit {
    /// The value of [`TOKEN`].
    pub token: String,
    /// Resolves when the handler runs.
    pub arrived: oneshot::Receiver<()>,
    /// Lets `/wait` answer.
    pub go_on: oneshot::Sender<()>,
}

impl App {
    /// Announces a request, so that its arrival can be awaited.
    #[must_use]
    pub fn expect_visit(&self) -> Visit {
        let token = self.0.next.fetch_add(1, Ordering::Relaxed).to_string();
        let (arrived, arrival) = oneshot::channel();
        let (go_on, going_on) = oneshot::channel();
        let expected = Expected {
            arrived,
            go_on: going_on,
        };
        self.0.visits.lock().unwrap().insert(token.clone(), expected);
        Visit {
            token,
            arrived: arrival,
            go_on,
        }
    }

    /// Tells the client that its request is being handled.
    fn arrive<B>(&self, request: &Request<B>) -> Option<oneshot::Receiver<()>> {
        let token = request.headers().get(TOKEN)?.to_str().ok()?;
        let expected = self.0.visits.lock().unwrap().remove(token)?;
        // The client may have lost its patience; that is its own affair.
        let _ = expected.arrived.send(());
        Some(expected.go_on)
    }
}

impl<B> Service<Request<B>> for App
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(request.uri().path() != "/boom-at-once", "as asked");
        let app = self.clone();
        Box::pin(async move { answer::answer(&app, request).await })
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
