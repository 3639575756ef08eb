//! The client of outgoing calls: campanile's layers around the client of hyper-util.

use std::{
    error::Error,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::body::Bytes;
use axum::http::{Request, Response};
use campanile_outbound::{ConnectorLayer, MetricsLayer, Resolver, connect};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower::{Layer, Service, ServiceBuilder};

use super::retry::Attempts;
use crate::profile::Profile;

type Pool = Client<connect::ConnectorService<HttpConnector<Resolver>>, Full<Bytes>>;

/// The connect timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The connection pool, and the host names in its metrics. Clones share both.
#[derive(Debug, Clone)]
pub(crate) struct Upstream(Arc<RwLock<NamedPool>>);

#[derive(Debug, Clone)]
struct NamedPool {
    profile: Profile,
    names: Vec<(String, String)>,
    metrics: MetricsLayer,
    pool: Pool,
}

impl Upstream {
    /// Makes a client with an empty pool.
    pub(crate) fn new(profile: Profile) -> Self {
        Self(Arc::new(RwLock::new(NamedPool::new(profile, Vec::new()))))
    }

    /// Records further calls to `authority` under `name`.
    pub(super) fn register(&self, authority: &str, name: &str) {
        let mut named = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let pair = (authority.to_owned(), name.to_owned());
        if !named.names.contains(&pair) {
            let mut names = std::mem::take(&mut named.names);
            names.push(pair);
            // A new pool, because connections are recorded under host names too.
            *named = NamedPool::new(named.profile, names);
        }
    }

    /// Returns the client for one call, which is recorded once and retried as `attempts` allow.
    pub(super) fn client(
        &self,
        attempts: Attempts,
    ) -> impl Service<
        Request<Full<Bytes>>,
        Response = Response<impl http_body::Body<Data = Bytes, Error = impl Error + Send + Sync + 'static>>,
        Error = legacy::Error,
        Future: Send,
    > {
        let named = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let turns = attempts.clone();
        ServiceBuilder::new()
            .layer(named.metrics)
            .retry(attempts)
            .map_request(move |request: Request<Full<Bytes>>| turns.direct(request))
            .layer(named.profile.propagation())
            .service(named.pool)
    }
}

impl NamedPool {
    fn new(profile: Profile, names: Vec<(String, String)>) -> Self {
        let metrics = names
            .iter()
            .fold(profile.client_metrics(), |layer, (authority, name)| {
                layer.with_host_name(authority, name)
            });
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new());
        tcp.set_nodelay(true);
        let connector = ConnectorLayer::new()
            .with_names_of(&metrics)
            .with_connect_timeout(CONNECT_TIMEOUT)
            .layer(tcp);
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self {
            profile,
            names,
            metrics,
            pool,
        }
    }
}
