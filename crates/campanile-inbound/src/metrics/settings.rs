//! What a layer was told to do.

use super::notes::{BODY_SIZES, LABELLED, Notes, RESPONSE_DURATION, ROUTE_KNOWN, VIEW};
use crate::{
    kept::{Kept, keep},
    series::{self, ServerSeries},
};

/// What a layer was told to do, but for what few people set.
///
/// Found by one reference that stays, for each service and each exchange keeps one.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Settings {
    pub(super) table: &'static ServerSeries,
    pub(super) routes: u32,
    pub(super) rpcs: u32,
    /// What was chosen.
    pub(super) at_end: AtEnd,
    /// What is noted of each exchange from its beginning.
    pub(super) notes: Notes,
    pub(super) status_labels: bool,
    pub(super) h1_upgrade_guard: bool,
    pub(super) view_name_is_route: bool,
    /// Whether something is to be done before the call that most layers have not to do: routes to be skipped, or the
    /// above.
    pub(super) apart: bool,
}

/// What is recorded at the end of an exchange besides its count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct AtEnd {
    pub(super) response_duration: bool,
    pub(super) body_sizes: bool,
}

const EVERYTHING: AtEnd = AtEnd {
    response_duration: true,
    body_sizes: true,
};

/// What a layer does that was told nothing.
pub(super) static DEFAULT: Settings = Settings {
    table: series::global(),
    routes: series::ROUTE_LIMIT,
    rpcs: series::RPC_LIMIT,
    at_end: EVERYTHING,
    notes: Notes::new().with(RESPONSE_DURATION).with(BODY_SIZES),
    status_labels: false,
    h1_upgrade_guard: false,
    view_name_is_route: false,
    apart: false,
};

impl Settings {
    /// Finds or keeps settings like these.
    pub(super) fn keep(mut self) -> &'static Self {
        let usual = !self.status_labels;
        self.notes = [
            (RESPONSE_DURATION, usual && self.at_end.response_duration),
            (BODY_SIZES, usual && self.at_end.body_sizes),
            (LABELLED, self.status_labels),
            // Nobody else is asked for the route.
            (VIEW, self.view_name_is_route),
            (ROUTE_KNOWN, self.view_name_is_route),
        ]
        .into_iter()
        .filter(|(_, on)| *on)
        .fold(Notes::new(), |notes, (flag, _)| notes.with(flag));
        self.apart |= self.status_labels || self.view_name_is_route || self.h1_upgrade_guard;
        static KEPT: Kept<Settings> = Kept::new(Vec::new());
        keep(&KEPT, self)
    }
}
