//! Hands the route from an inner metrics layer, which sees it, to the outer one, which counts.
//!
//! Thread-local, like [`layer_id`](campanile_core::layer_id): set and taken within one poll.

use std::cell::Cell;

use crate::series::{InboundSeries, RouteSeries};

#[derive(Clone, Copy)]
struct Handoff {
    table: &'static InboundSeries,
    series: &'static RouteSeries,
    /// The receiver counts a folded route, since several inner layers may see the same request.
    folded: bool,
}

/// One cell for each recorder with layers around the running code: rarely more than one. With a third recorder in the
/// same poll, the first one's handoff is lost, and its route stays `other`.
struct Cells {
    handoffs: [Cell<Option<Handoff>>; 2],
    /// Whether a cell may be full: most polls hand nothing over.
    any: Cell<bool>,
}

thread_local! {
    static CELLS: Cells =
        const { Cells { handoffs: [const { Cell::new(None) }; 2], any: Cell::new(false) } };
}

/// Hands a route to the enclosing layer that records to `table`.
pub(super) fn give(table: &'static InboundSeries, (series, folded): (&'static RouteSeries, bool)) {
    let _ = take(table);
    CELLS.with(|cells| {
        let [first, second] = &cells.handoffs;
        let cell = if first.get().is_none() { first } else { second };
        cell.set(Some(Handoff {
            table,
            series,
            folded,
        }));
        cells.any.set(true);
    });
}

/// Returns whether there may be a route to take.
#[inline]
pub(super) fn is_pending() -> bool {
    CELLS.with(|cells| cells.any.get())
}

/// Takes the route handed to the layers that record to `table`, and whether it is folded.
pub(super) fn take(table: &'static InboundSeries) -> Option<(&'static RouteSeries, bool)> {
    CELLS.with(|cells| {
        let is_ours = |handoff: Handoff| std::ptr::eq(handoff.table, table);
        let cell = cells
            .handoffs
            .iter()
            .find(|cell| cell.get().is_some_and(is_ours))?;
        let taken = cell.take().map(|handoff| (handoff.series, handoff.folded));
        cells
            .any
            .set(cells.handoffs.iter().any(|cell| cell.get().is_some()));
        taken
    })
}
