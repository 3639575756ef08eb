//! The layer and its service.

use std::{
    collections::HashSet,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use campanile_core::{body::MethodClass, clock};
use http::{Request, Response};
use http_body::Body;
use metrics::Recorder;
use tower_layer::Layer;
use tower_service::Service;

use super::{future::ResponseFuture, slots::Limit};
use crate::{answer::Asker, route, series};

/// Refuses requests beyond a number in flight. See the [module docs](crate::limit).
///
/// The state is one [`Limit`], shared by all clones and by every service that the layer makes.
#[derive(Clone, Debug)]
pub struct InFlightLimitLayer {
    config: Config,
}

/// Refuses requests beyond a number in flight. See the [module docs](crate::limit).
#[derive(Clone)]
pub struct InFlightLimitService<S> {
    inner: S,
    config: Config,
}

#[derive(Clone, Debug)]
struct Config {
    /// Nothing where everything is let through.
    limit: Option<Limit>,
    exempt: Option<Arc<HashSet<Box<str>>>>,
}

impl InFlightLimitLayer {
    /// Makes a layer that lets `limit` requests be in flight at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::named(limit, "main")
    }

    /// Makes a layer whose metrics carry a name, for services with several limits.
    #[must_use]
    pub fn named(limit: usize, name: impl Into<String>) -> Self {
        Self {
            config: Config {
                limit: Some(Limit::new(limit, name.into(), series::global())),
                exempt: None,
            },
        }
    }

    /// Makes a layer that lets everything through, and counts nothing.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            config: Config {
                limit: None,
                exempt: None,
            },
        }
    }

    /// Lets the requests of a route through, such as a health check's, without a slot. Without a route the path is
    /// compared.
    #[must_use]
    pub fn with_exempt_route(mut self, route: impl Into<String>) -> Self {
        let exempt = self.config.exempt.get_or_insert_default();
        Arc::make_mut(exempt).insert(route.into().into_boxed_str());
        self
    }

    /// Records to this recorder in place of the installed one. Not after clones were made: they keep the old limit.
    #[must_use]
    pub fn with_recorder(mut self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.config.limit = self
            .config
            .limit
            .map(|limit| limit.with_table(series::of_recorder(recorder)));
        self
    }

    /// Returns the limit, to be read and changed while the service runs.
    ///
    /// # Panics
    ///
    /// For a layer made by [`Self::unlimited`].
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.config.limit.expect("the layer has a limit")
    }
}

impl<S> Layer<S> for InFlightLimitLayer {
    type Service = InFlightLimitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        clock::warm_up();
        InFlightLimitService {
            inner,
            config: self.config.clone(),
        }
    }
}

impl Config {
    #[inline]
    fn lets_through<B>(&self, limit: Limit, request: &Request<B>) -> bool {
        if limit.identity().is_around() {
            return true;
        }
        let Some(exempt) = &self.exempt else { return false };
        exempt.contains(route::template(request.extensions()).unwrap_or_else(|| request.uri().path()))
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for InFlightLimitService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ReqB: Body,
    ResB: Body + Default,
{
    type Response = Response<super::ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let slot = match self.config.limit {
            Some(limit) if !self.config.lets_through(limit, &request) => match limit.take() {
                Some(slot) => Some(slot),
                None => {
                    return ResponseFuture::refused(Asker::of(&request), !request.body().is_end_stream());
                }
            },
            _ => None,
        };
        let asked = MethodClass::by(request.method());
        let around = slot.as_ref().map(|slot| slot.identity().enter());
        let inner = self.inner.call(request);
        drop(around);
        ResponseFuture::admitted(inner, slot, asked)
    }
}

impl<S: fmt::Debug> fmt::Debug for InFlightLimitService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlightLimitService")
            .field("inner", &self.inner)
            .field("config", &self.config)
            .finish()
    }
}
