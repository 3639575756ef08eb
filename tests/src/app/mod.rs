//! An application whose exchanges end in every possible way.

mod handlers;
mod scripted_body;

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

/// The header that links a request to its [`HandlerGate`].
pub const GATE_HEADER: &str = "x-gate";

/// The payload of the panics, and the text of the errors, that the application raises on request.
pub const EXPECTED_PANIC: &str = "expected by the test";

/// The application. Clones share its state.
#[derive(Clone, Default)]
pub struct TestApp(Arc<AppState>);

#[derive(Default)]
struct AppState {
    gates: Mutex<HashMap<String, PendingGate>>,
    next: AtomicU64,
    id: String,
}

struct PendingGate {
    entered: oneshot::Sender<()>,
    release: oneshot::Receiver<()>,
}

/// Lets a client wait until the handler of its request runs, and holds a handler back.
#[derive(Debug, Default)]
pub struct HandlerGate {
    token: String,
    entered: Option<oneshot::Receiver<()>>,
    release: Option<oneshot::Sender<()>>,
}

impl TestApp {
    /// Makes an application whose requests carry `id`.
    #[must_use]
    pub fn new(id: String) -> Self {
        let state = AppState {
            id,
            ..AppState::default()
        };
        Self(Arc::new(state))
    }

    /// Returns the request ID that its requests carry.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Makes the gate of one request. Without `observed` the gate does nothing.
    #[must_use]
    pub fn gate(&self, observed: bool) -> HandlerGate {
        if !observed {
            return HandlerGate::default();
        }
        let token = self.0.next.fetch_add(1, Ordering::Relaxed).to_string();
        let (entered, entry) = oneshot::channel();
        let (release, released) = oneshot::channel();
        let pending = PendingGate {
            entered,
            release: released,
        };
        self.0.gates.lock().unwrap().insert(token.clone(), pending);
        HandlerGate {
            token,
            entered: Some(entry),
            release: Some(release),
        }
    }

    /// Notifies the client that the handler of its request runs.
    fn enter<B>(&self, request: &Request<B>) -> Option<oneshot::Receiver<()>> {
        let token = request.headers().get(GATE_HEADER)?.to_str().ok()?;
        let pending = self.0.gates.lock().unwrap().remove(token)?;
        // The client may have given up.
        let _ = pending.entered.send(());
        Some(pending.release)
    }
}

impl HandlerGate {
    /// Returns the value of [`GATE_HEADER`].
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Waits until the handler runs.
    ///
    /// # Errors
    ///
    /// If the handler never runs.
    pub async fn entered(&mut self) -> Result<(), String> {
        let entered = self.entered.take().ok_or("the gate is not observed")?;
        entered.await.map_err(|_| "the handler did not run".into())
    }

    /// Lets `/wait` respond.
    pub fn release(&mut self) {
        if let Some(release) = self.release.take() {
            // The handler may have been dropped.
            let _ = release.send(());
        }
    }
}

impl<B> Service<Request<B>> for TestApp
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
        if request.uri().path() == "/panic-in-call" {
            std::panic::panic_any(EXPECTED_PANIC);
        }
        let app = self.clone();
        Box::pin(async move { handlers::handle(&app, request).await })
    }
}

impl fmt::Debug for TestApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestApp").finish_non_exhaustive()
    }
}
