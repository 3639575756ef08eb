//! What a layer further in tells of the route to the layer of its kind that polls it.
//!
//! By the thread, like [`nesting`](campanile_http::nesting): told and taken within one poll.

use std::cell::Cell;

use crate::series::{RouteSeries, ServerSeries};

/// A route that was told.
#[derive(Clone, Copy)]
struct Told {
    table: &'static ServerSeries,
    series: &'static RouteSeries,
    /// A folded route is counted by whoever takes it, not by each layer that sees it.
    folded: bool,
}

thread_local! {
    /// One for each kind of layer, which is seldom more than one: layers of a third recorder within one poll push
    /// out what the first was told, and it stays with `other`.
    static TOLD: [Cell<Option<Told>>; 2] = const { [const { Cell::new(None) }; 2] };
}

/// Tells a route to the layer around that records to `table`.
pub(super) fn tell(table: &'static ServerSeries, (series, folded): (&'static RouteSeries, bool)) {
    let _ = take(table);
    TOLD.with(|[first, second]| {
        let place = if first.get().is_none() { first } else { second };
        place.set(Some(Told {
            table,
            series,
            folded,
        }));
    });
}

/// Takes what was told to the layers that record to `table`: the series, and whether its route is folded.
#[inline]
pub(super) fn take(table: &'static ServerSeries) -> Option<(&'static RouteSeries, bool)> {
    TOLD.with(|places| {
        let place = places
            .iter()
            .find(|place| place.get().is_some_and(|told| std::ptr::eq(told.table, table)))?;
        place.take().map(|told| (told.series, told.folded))
    })
}
