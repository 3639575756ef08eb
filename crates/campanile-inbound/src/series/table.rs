//! All series that go to one recorder.

use std::{ptr, sync::OnceLock, time::Duration};

use campanile_core::{
    method,
    series::{SeriesKey, SeriesTable},
};
use campanile_metrics::{
    Descriptor, FoldCounter, LabelLimiter, LazyHandle, OTHER, PerRecorder, RecorderHandle,
    UPGRADED_CONNECTIONS,
};
use metrics::{Counter, Gauge, Histogram};

use super::{RouteSeries, RpcSeries};
use crate::{names, route::KnownRoute};

/// All series that go to one recorder. Lives as long as the process, so that requests refer to it without a count.
pub(crate) struct InboundSeries {
    pub(crate) recorder: RecorderHandle,
    routes: SeriesTable<RouteSeries>,
    /// The series of unknown routes by method, which need no look-up.
    others: [OnceLock<&'static RouteSeries>; method::NAMES.len()],
    route_names: LabelLimiter,
    rpcs: SeriesTable<RpcSeries>,
    rpc_names: LabelLimiter,
    folded: FoldCounter,
    ids_rejected: LazyHandle<Counter>,
    deadlines_rejected: LazyHandle<Counter>,
    soft_timeouts: LazyHandle<Counter>,
    starts_rejected: LazyHandle<Counter>,
    proxy_wait: LazyHandle<Histogram>,
    upgraded: LazyHandle<Gauge>,
}

/// The default number of routes that become label values.
pub(crate) const ROUTE_LIMIT: u32 = 1_000;

/// The default number of gRPC methods that become label values.
pub(crate) const RPC_LIMIT: u32 = 500;

/// The series of the global recorder.
static GLOBAL: InboundSeries = InboundSeries::new(RecorderHandle::global());

impl PartialEq for InboundSeries {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

impl InboundSeries {
    const fn new(recorder: RecorderHandle) -> Self {
        Self {
            recorder,
            routes: SeriesTable::new(),
            others: [const { OnceLock::new() }; method::NAMES.len()],
            route_names: LabelLimiter::new(),
            rpcs: SeriesTable::new(),
            rpc_names: LabelLimiter::new(),
            folded: FoldCounter::new(),
            ids_rejected: LazyHandle::new(),
            deadlines_rejected: LazyHandle::new(),
            soft_timeouts: LazyHandle::new(),
            starts_rejected: LazyHandle::new(),
            proxy_wait: LazyHandle::new(),
            upgraded: LazyHandle::new(),
        }
    }

    /// Returns the series of the global recorder.
    pub(crate) const fn global() -> &'static Self {
        &GLOBAL
    }

    /// Finds or makes the series of a recorder: one table for each, so that nested layers recognise each other.
    pub(crate) fn of(recorder: RecorderHandle) -> &'static Self {
        static TABLES: PerRecorder<InboundSeries> = PerRecorder::new();
        if recorder == RecorderHandle::global() {
            return &GLOBAL;
        }
        TABLES.get_or_make(recorder, || Self::new(recorder))
    }

    /// Counts an observation under `other` in place of its own label.
    #[cold]
    pub(crate) fn count_folded(&self) {
        self.folded.increment(self.recorder);
    }

    /// Finds the series of a method and a route, and counts the observation if the route is folded.
    #[inline]
    pub(crate) fn route(
        &'static self,
        method: u8,
        route: KnownRoute<'_>,
        limit: usize,
    ) -> &'static RouteSeries {
        self.counted(self.find_route(method, route, limit))
    }

    /// Finds the series of a method and a view name that serves as the route, and counts the observation if it is folded.
    pub(crate) fn view(&'static self, method: u8, view: &str, limit: usize) -> &'static RouteSeries {
        self.counted(self.find_named(method, view, limit))
    }

    #[inline]
    fn counted(&self, (series, folded): (&'static RouteSeries, bool)) -> &'static RouteSeries {
        if folded {
            self.count_folded();
        }
        series
    }

    /// Finds the series of a method and a route, and returns whether the route is folded.
    #[inline]
    pub(crate) fn find_route(
        &'static self,
        method: u8,
        route: KnownRoute<'_>,
        limit: usize,
    ) -> (&'static RouteSeries, bool) {
        // Routers lend the same text to every request, so the address of most routes is known: no byte is read.
        match self.routes.get_by_address(method, route.as_str()) {
            Some(series) => (series, false),
            None => self.find_unindexed(method, route, limit),
        }
    }

    #[inline(never)]
    fn find_unindexed(
        &'static self,
        method: u8,
        route: KnownRoute<'_>,
        limit: usize,
    ) -> (&'static RouteSeries, bool) {
        let (series, folded) = self.find_named(method, route.as_str(), limit);
        if !folded && route.may_be_static() && series.may_be_indexed() && route.make_static() {
            self.routes.index_address(method, route.as_str());
        }
        (series, folded)
    }

    fn find_named(&'static self, method: u8, route: &str, limit: usize) -> (&'static RouteSeries, bool) {
        match self.routes.get(SeriesKey::new(method, route, "")) {
            Some(series) => (series, false),
            None => self.new_route(method, route, limit),
        }
    }

    /// Returns the series of a method for requests without a known route.
    #[inline]
    pub(crate) fn other_route(&'static self, method: u8) -> &'static RouteSeries {
        self.others[usize::from(method)].get_or_init(|| self.add_route(method, OTHER))
    }

    #[cold]
    fn new_route(&'static self, method: u8, route: &str, limit: usize) -> (&'static RouteSeries, bool) {
        let folded = route != OTHER && !self.route_names.admit(route, limit);
        let route = if folded { OTHER } else { route };
        (self.add_route(method, route), folded)
    }

    fn add_route(&'static self, method: u8, route: &str) -> &'static RouteSeries {
        self.routes.get_or_insert(SeriesKey::new(method, route, ""), || {
            RouteSeries::new(method, route)
        })
    }

    /// Finds or makes the series of a gRPC method's route. Bounded by the number of gRPC methods.
    pub(crate) fn rpc_route(&'static self, method: u8, rpc: &RpcSeries) -> &'static RouteSeries {
        rpc.routes[usize::from(method)].get_or_init(|| match rpc.name {
            OTHER => self.other_route(method),
            name => self.add_route(method, &format!("/{name}")),
        })
    }

    /// Finds the series of a gRPC method that has responded before.
    #[inline]
    pub(crate) fn known_rpc(&'static self, name: &str) -> Option<&'static RpcSeries> {
        self.rpcs.get(SeriesKey::new(0, name, ""))
    }

    /// Finds or makes the series of a gRPC method that has responded.
    pub(crate) fn rpc(&'static self, name: &str, limit: usize) -> &'static RpcSeries {
        if let Some(series) = self.known_rpc(name) {
            return series;
        }
        if self.rpc_names.admit(name, limit) {
            return self
                .rpcs
                .get_or_insert(SeriesKey::new(0, name, ""), || RpcSeries::new(name));
        }
        self.count_folded();
        self.unknown_rpc()
    }

    /// Returns the series of gRPC methods that are not served.
    pub(crate) fn unknown_rpc(&'static self) -> &'static RpcSeries {
        self.rpcs
            .get_or_insert(SeriesKey::new(0, OTHER, ""), || RpcSeries::new(OTHER))
    }

    pub(crate) fn count_rejected_id(&self) {
        self.count(&self.ids_rejected, &names::IDS_REJECTED);
    }

    pub(crate) fn count_rejected_deadline(&self) {
        self.count(&self.deadlines_rejected, &names::DEADLINES_REJECTED);
    }

    pub(crate) fn count_soft_timeout(&self) {
        self.count(&self.soft_timeouts, &names::SOFT_TIMEOUTS);
    }

    pub(crate) fn count_rejected_start(&self) {
        self.count(&self.starts_rejected, &names::STARTS_REJECTED);
    }

    pub(crate) fn record_proxy_wait(&self, waited: Duration) {
        let histogram: Option<&Histogram> = self.proxy_wait.get(self.recorder, |recorder| {
            names::PROXY_WAIT.register(recorder, Vec::new())
        });
        if let Some(histogram) = histogram {
            histogram.record(waited);
        }
    }

    /// Returns the gauge of upgraded connections.
    pub(crate) fn upgraded(&self) -> Option<&Gauge> {
        self.upgraded.get(self.recorder, |recorder| {
            UPGRADED_CONNECTIONS.register(recorder, Vec::new())
        })
    }

    fn count(&self, counter: &LazyHandle<Counter>, family: &Descriptor) {
        let counter = counter.get(self.recorder, |recorder| {
            family.register::<Counter>(recorder, Vec::new())
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Route;

    #[test]
    fn a_short_lived_text_does_not_keep_a_static_one_from_the_index() {
        static TABLE: InboundSeries = InboundSeries::new(RecorderHandle::global());
        let (table, route) = (&TABLE, "/users/{id}");
        table.find_route(1, KnownRoute::Named(&Route::new(String::from(route))), 10);
        for _ in 0..2 {
            table.find_route(1, KnownRoute::Named(&Route::new(route)), 10);
        }
        assert!(table.routes.get_by_address(1, route).is_some());
    }
}
