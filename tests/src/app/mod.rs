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
    id: String,
}

struct Expected {
    arrived: oneshot::Sender<()>,
    go_on: oneshot::Receiver<()>,
}

/// A request that the client will send, seen from outside.
#[derive(Debug, Default)]
pub struct Visit {
    token: String,
    arrived: Option<oneshot::Receiver<()>>,
    go_on: Option<oneshot::Sender<()>>,
}

impl App {
    /// Makes an application whose requests carry this id.
    #[must_use]
    pub fn new(id: String) -> Self {
        let shared = Shared {
            id,
            ..Shared::default()
        };
        Self(Arc::new(shared))
    }

    /// Returns the id that its requests carry.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Announces a request, so that its arrival can be awaited; one that is not watched leaves no trace.
    #[must_use]
    pub fn visit(&self, watched: bool) -> Visit {
        if !watched {
            return Visit::default();
        }
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
            arrived: Some(arrival),
            go_on: Some(go_on),
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

impl Visit {
    /// Returns the value of [`TOKEN`].
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Waits until the handler runs.
    ///
    /// # Errors
    ///
    /// When it never will.
    pub async fn arrival(&mut self) -> Result<(), String> {
        let arrived = self.arrived.take().ok_or("nobody watches")?;
        arrived.await.map_err(|_| "the handler did not run".into())
    }

    /// Lets `/wait` answer.
    pub fn go_on(&mut self) {
        if let Some(go_on) = self.go_on.take() {
            // A handler that is gone does not answer anyhow.
            let _ = go_on.send(());
        }
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
