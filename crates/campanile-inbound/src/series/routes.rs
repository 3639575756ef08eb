//! The series of a route, found by where its name stands, else by the name.

use campanile_core::series::{Key, OTHER};

use super::{RouteSeries, RpcSeries, ServerSeries};
use crate::route::Known;

impl ServerSeries {
    /// Finds the series of a method and a route, and counts it if the route is folded.
    #[inline]
    pub(crate) fn route(&'static self, method: u8, route: Known<'_>, limit: usize) -> &'static RouteSeries {
        self.counted(self.find_route(method, route, limit))
    }

    /// Finds the series of a method and a view that is its route, and counts it if that is folded.
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

    /// Finds the series of a method and a route, and tells whether the route is folded.
    #[inline]
    pub(crate) fn find_route(
        &'static self,
        method: u8,
        route: Known<'_>,
        limit: usize,
    ) -> (&'static RouteSeries, bool) {
        // Most routes stand where they stood before, and so need not be read.
        match self.routes.get_pinned(method, route.as_str()) {
            Some(series) => (series, false),
            None => self.find_unpinned(method, route, limit),
        }
    }

    #[inline(never)]
    fn find_unpinned(
        &'static self,
        method: u8,
        route: Known<'_>,
        limit: usize,
    ) -> (&'static RouteSeries, bool) {
        let (series, folded) = self.find_named(method, route.as_str(), limit);
        if !folded && route.may_stay() && series.may_be_pinned() && route.stays() {
            self.routes.pin(method, route.as_str());
        }
        (series, folded)
    }

    fn find_named(&'static self, method: u8, route: &str, limit: usize) -> (&'static RouteSeries, bool) {
        match self.routes.get(Key::new(method, route, "")) {
            Some(series) => (series, false),
            None => self.new_route(method, route, limit),
        }
    }

    /// Finds the series of a method whose route is not known.
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
        self.routes
            .get_or_insert(Key::new(method, route, ""), || RouteSeries::new(method, route))
    }

    /// Finds or makes the series of a gRPC method's route, which is bounded by the number of gRPC methods.
    pub(crate) fn rpc_route(&'static self, method: u8, rpc: &RpcSeries) -> &'static RouteSeries {
        rpc.routes[usize::from(method)].get_or_init(|| match rpc.name {
            OTHER => self.other_route(method),
            name => self.add_route(method, &format!("/{name}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use campanile_core::series::Source;

    use super::*;
    use crate::route::Route;

    #[test]
    fn a_text_that_goes_away_does_not_keep_one_that_stays_from_being_pinned() {
        static TABLE: ServerSeries = ServerSeries::new(Source::Global);
        let (table, said) = (&TABLE, "/users/{id}");
        table.find_route(1, Known::Said(&Route::new(String::from(said))), 10);
        for _ in 0..2 {
            table.find_route(1, Known::Said(&Route::new(said)), 10);
        }
        assert!(table.routes.get_pinned(1, said).is_some());
    }
}
