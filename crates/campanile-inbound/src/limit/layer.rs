//! The layer, and the slot of one exchange.

use std::{collections::HashSet, sync::Arc};

use campanile_core::{
    box_pool::BoxPool,
    clock,
    exchange::{Begin, End, ExchangeService, Observe, Observer},
    layer_id::LayerId,
};
use campanile_metrics::RecorderHandle;
use http::Request;
use http_body::Body;
use tower_layer::Layer;

use super::limit::{Limit, Slot};
use crate::{rejection::Rejection, route};

/// Rejects requests beyond a number in flight. See the [module docs](crate::limit).
///
/// The state is one [`Limit`], shared by all clones and by every service that the layer makes.
#[derive(Clone, Debug)]
pub struct InFlightLimitLayer {
    /// `None` if there is no limit.
    limit: Option<Limit>,
    /// An option, so that the common clone touches no reference count.
    exempt: Option<Arc<HashSet<Box<str>>>>,
}

impl InFlightLimitLayer {
    /// Makes a layer that lets `limit` requests be in flight at once. The label of its metrics is `main`.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit: Some(Limit::new(limit, "main".to_owned(), RecorderHandle::global())),
            exempt: None,
        }
    }

    /// Makes a layer without a limit, which records nothing.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            limit: None,
            exempt: None,
        }
    }

    /// Sets the label of the metrics, for services with several limits. Clones made before keep the old limit.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.limit = self.limit.map(|limit| limit.with_name(name.into()));
        self
    }

    /// Exempts the requests of a route, such as health checks. Compared with the path if there is no route.
    #[must_use]
    pub fn with_exempt_route(mut self, route: impl Into<String>) -> Self {
        let exempt = self.exempt.get_or_insert_default();
        Arc::make_mut(exempt).insert(route.into().into_boxed_str());
        self
    }

    /// Records to this recorder instead of the global one. Clones made before keep the old limit.
    #[must_use]
    pub fn with_recorder(mut self, recorder: impl Into<RecorderHandle>) -> Self {
        let recorder = recorder.into();
        self.limit = self.limit.map(|limit| limit.with_recorder(recorder));
        self
    }

    /// Returns the limit, which can be read and changed while the service runs; `None` for an unlimited layer.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        self.limit
    }

    #[inline]
    fn is_exempt<B>(&self, request: &Request<B>) -> bool {
        let Some(exempt) = &self.exempt else { return false };
        exempt.contains(route::template(request.extensions()).unwrap_or_else(|| request.uri().path()))
    }
}

impl<S> Layer<S> for InFlightLimitLayer {
    type Service = ExchangeService<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        clock::warm_up();
        ExchangeService::new(inner, self.clone())
    }
}

impl<B: Body> Observe<B> for InFlightLimitLayer {
    type Observer = InFlightLimitObserver;

    #[inline(always)]
    fn begin_fast(&self, _request: &Request<B>) -> Option<Box<InFlightLimitObserver>> {
        let limit = self
            .limit
            .filter(|limit| self.exempt.is_none() && !limit.layer_id().is_entered())?;
        let slot = limit.try_take()?;
        Some(InFlightLimitObserver { slot: Some(slot) }.boxed())
    }

    #[inline]
    fn begin(&self, request: &mut Request<B>) -> Begin<InFlightLimitObserver> {
        let Some(limit) = self.limit else {
            return Begin::Skip;
        };
        if limit.layer_id().is_entered() || self.is_exempt(request) {
            return Begin::Skip;
        }
        match limit.take() {
            Some(slot) => Begin::Observe(InFlightLimitObserver { slot: Some(slot) }),
            None => shed(request),
        }
    }
}

#[cold]
fn shed<B: Body>(request: &Request<B>) -> Begin<InFlightLimitObserver> {
    let body_unread = !request.body().is_end_stream();
    Begin::Respond(Box::new(Rejection::of(request).shed(body_unread)), None)
}

/// Holds the slot of one request. See the [module docs](crate::limit).
#[derive(Debug)]
pub struct InFlightLimitObserver {
    /// `None` after the end.
    slot: Option<Slot>,
}

thread_local! {
    static POOL: BoxPool<InFlightLimitObserver> = const { BoxPool::new() };
}

impl Observer for InFlightLimitObserver {
    #[inline]
    fn enter(&mut self) {
        if let Some(slot) = &self.slot {
            slot.layer_id().enter();
        }
    }

    #[inline]
    fn leave(&mut self) {
        LayerId::leave();
    }

    #[inline]
    fn on_end(&mut self, _end: End<'_>) {
        self.slot = None;
    }

    #[inline]
    fn boxed(self) -> Box<Self> {
        BoxPool::fill(&POOL, self)
    }

    #[inline]
    fn recycle(self: Box<Self>) {
        BoxPool::recycle(&POOL, self);
    }
}
