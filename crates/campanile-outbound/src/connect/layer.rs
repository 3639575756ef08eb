//! The layer that counts the connections of a connector and limits the time to open one.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use campanile_core::clock::FastInstant;
use campanile_metrics::RecorderHandle;
use http::Uri;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_layer::Layer;
use tower_service::Service;

use super::CountedConnection;
use crate::{
    failure,
    metrics::{HostNames, HostSeries, MetricsLayer, OutboundSeries},
};

type BoxError = Box<dyn Error + Send + Sync>;

/// Counts connections. See the [module docs](super).
#[derive(Debug, Clone, Default)]
pub struct ConnectorLayer {
    hosts: HostNames,
    timeout: Option<Duration>,
}

impl ConnectorLayer {
    /// Makes the layer, without a time limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses the recorder, the host names and the host limit of this metrics layer.
    #[must_use]
    pub fn with_metrics<W, V>(mut self, layer: &MetricsLayer<W, V>) -> Self {
        self.hosts = HostNames::of(layer);
        self
    }

    /// Records to this recorder instead of the global one.
    #[must_use]
    pub fn with_recorder(self, recorder: impl Into<RecorderHandle>) -> Self {
        self.with_metrics(&MetricsLayer::new().with_recorder(recorder))
    }

    /// Sets the time after which connecting fails with [`ConnectTimeout`]. Default: none.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl<S> Layer<S> for ConnectorLayer {
    type Service = ConnectorService<S>;

    fn layer(&self, inner: S) -> ConnectorService<S> {
        ConnectorService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service of [`ConnectorLayer`].
#[derive(Debug, Clone)]
pub struct ConnectorService<S> {
    inner: S,
    layer: ConnectorLayer,
}

impl<S> ConnectorService<S> {
    /// Returns a reference to the inner connector.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner connector.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner connector.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S> Service<Uri> for ConnectorService<S>
where
    S: Service<Uri>,
    S::Error: Into<BoxError>,
{
    type Response = CountedConnection<S::Response>;
    type Error = BoxError;
    type Future = ConnectFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let host = self.layer.hosts.host(&uri);
        ConnectFuture {
            table: self.layer.hosts.table(),
            host,
            started: FastInstant::now(),
            // Boxed, because hyper-util's client requires `Unpin` futures.
            timeout: self.layer.timeout.map(|timeout| Box::pin(sleep(timeout))),
            inner: self.inner.call(uri),
        }
    }
}

pin_project! {
    /// The future of [`ConnectorService`].
    pub struct ConnectFuture<F> {
        #[pin]
        inner: F,
        timeout: Option<Pin<Box<Sleep>>>,
        table: &'static OutboundSeries,
        host: &'static HostSeries,
        started: FastInstant,
    }
}

impl<F, T, E> Future for ConnectFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<CountedConnection<T>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (table, host) = (*this.table, *this.host);
        let result = match this.inner.poll(cx) {
            Poll::Ready(result) => result.map_err(Into::into),
            Poll::Pending => {
                let Some(timeout) = this.timeout else {
                    return Poll::Pending;
                };
                ready!(timeout.as_mut().poll(cx));
                Err(ConnectTimeout.into())
            }
        };
        if host.folded {
            table.count_folded();
        }
        Poll::Ready(match result {
            Ok(connection) => {
                let seconds = this.started.seconds_until(FastInstant::now());
                let open = host.connect.opened(table, host.name, seconds);
                Ok(CountedConnection::new(connection, open))
            }
            Err(error) => {
                let code = failure::of_call(Some(&*error)).code;
                host.connect.failed(table, host.name, code);
                Err(error)
            }
        })
    }
}

impl<F> fmt::Debug for ConnectFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectFuture").finish_non_exhaustive()
    }
}

/// The connection was not open within the time of [`ConnectorLayer::with_connect_timeout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectTimeout;

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connect timeout elapsed")
    }
}

impl Error for ConnectTimeout {}
