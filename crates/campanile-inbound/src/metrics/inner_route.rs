//! What a layer further in tells of the route to the layer of its kind that polls it.
//!
//! By the thread, like [`nesting`](campanile_core::nesting): told and taken within one poll.

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

/// One place for each kind of layer, which is seldom more than one: layers of a third recorder within one poll push
/// out what the first was told, and it stays with `other`.
struct Places {
    told: [Cell<Option<Told>>; 2],
    /// Whether there may be anything: most polls ask and nothing was told.
    any: Cell<bool>,
}

thread_local! {
    static PLACES: Places =
        const { Places { told: [const { Cell::new(None) }; 2], any: Cell::new(false) } };
}

/// Tells a route to the layer around that records to `table`.
pub(super) fn tell(table: &'static ServerSeries, (series, folded): (&'static RouteSeries, bool)) {
    let _ = take(table);
    PLACES.with(|places| {
        let [first, second] = &places.told;
        let place = if first.get().is_none() { first } else { second };
        place.set(Some(Told {
            table,
            series,
            folded,
        }));
        places.any.set(true);
    });
}

/// Tells whether anything was told to anybody.
#[inline]
pub(super) fn is_told() -> bool {
    PLACES.with(|places| places.any.get())
}

/// Takes what was told to the layers that record to `table`: the series, and whether its route is folded.
pub(super) fn take(table: &'static ServerSeries) -> Option<(&'static RouteSeries, bool)> {
    PLACES.with(|places| places.take(table))
}

impl Places {
    fn take(&self, table: &'static ServerSeries) -> Option<(&'static RouteSeries, bool)> {
        let place = self
            .told
            .iter()
            .find(|place| place.get().is_some_and(|told| std::ptr::eq(told.table, table)))?;
        let taken = place.take().map(|told| (told.series, told.folded));
        self.any.set(self.told.iter().any(|place| place.get().is_some()));
        taken
    }
}
