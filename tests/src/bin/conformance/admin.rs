//! Answers for the service from a thread and a runtime of its own, so that it does when the service cannot.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use axum::{
    Router,
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};

use campanile_lifecycle::Handle;

use crate::{health, recorder::Text};

/// How often a recorder may drain what histograms were given, where it else keeps that until somebody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// The bound admin socket.
#[derive(Debug)]
pub(crate) struct Admin(TcpListener);

impl Admin {
    /// Binds.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        listener.map(Self).map_err(|error| {
            let text = format!("cannot listen on {address}: {error}");
            io::Error::new(error.kind(), text)
        })
    }

    /// Spells the bound address.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Starts the thread. It ends with the process.
    pub(crate) fn start(self, metrics: Text, service: Handle) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new().name("admin".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::spawn(keep_up(metrics.clone()));
                if let Err(error) = answer(self.0, metrics, service).await {
                    tracing::error!(%error, "the admin port has closed");
                }
            });
        })?;
        Ok(())
    }
}

async fn answer(listener: TcpListener, metrics: Text, service: Handle) -> io::Result<()> {
    let text = move |headers: HeaderMap| render(metrics.clone(), headers);
    let app = Router::new()
        .route("/metrics", get(text))
        .route("/livez", get("ok"))
        .route("/readyz", get(health::ready))
        .route("/health", get(health::health))
        .with_state(service);
    axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await
}

async fn render(metrics: Text, headers: HeaderMap) -> Response {
    let text = tokio::task::spawn_blocking(move || {
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        metrics.render(accept.unwrap_or_default())
    });
    match text.await {
        Ok(Ok(Some((kind, text)))) => ([(CONTENT_TYPE, kind)], text).into_response(),
        Ok(Ok(None)) => (StatusCode::NOT_FOUND, "the recorder has no text\n").into_response(),
        // A scrape that is missing misleads nobody.
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn keep_up(metrics: Text) {
    let mut turns = tokio::time::interval(UPKEEP);
    loop {
        turns.tick().await;
        metrics.keep_up();
    }
}
