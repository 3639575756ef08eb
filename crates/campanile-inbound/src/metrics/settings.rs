//! The settings of a metrics layer.

use super::flags::{BODY_SIZES, ExchangeFlags, RESPONSE_DURATION, ROUTE_KNOWN, STATUS_LABELS, VIEW};
use crate::{
    intern::Interned,
    series::{InboundSeries, ROUTE_LIMIT, RPC_LIMIT},
};

/// The settings of a metrics layer but for its skipped routes; interned, so that each exchange holds one reference.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Settings {
    pub(super) table: &'static InboundSeries,
    pub(super) routes: u32,
    pub(super) rpcs: u32,
    pub(super) response_duration: bool,
    pub(super) body_sizes: bool,
    pub(super) status_labels: bool,
    pub(super) h1_upgrade_guard: bool,
    pub(super) view_name_is_route: bool,
    pub(super) skips_routes: bool,
    /// The flags that each exchange begins with. Derived from the above, as is the next.
    pub(super) flags: ExchangeFlags,
    /// Whether requests take the slow path before the call.
    pub(super) slow: bool,
}

pub(super) static DEFAULT: Settings = Settings {
    table: InboundSeries::global(),
    routes: ROUTE_LIMIT,
    rpcs: RPC_LIMIT,
    response_duration: true,
    body_sizes: true,
    status_labels: false,
    h1_upgrade_guard: false,
    view_name_is_route: false,
    skips_routes: false,
    flags: ExchangeFlags::new().with(RESPONSE_DURATION).with(BODY_SIZES),
    slow: false,
};

impl Settings {
    pub(super) fn intern(mut self) -> &'static Self {
        static INTERNED: Interned<Settings> = Interned::new();
        let by_route = !self.status_labels;
        self.flags = [
            (RESPONSE_DURATION, by_route && self.response_duration),
            (BODY_SIZES, by_route && self.body_sizes),
            (STATUS_LABELS, self.status_labels),
            (VIEW, self.view_name_is_route),
            // No other source of the route counts.
            (ROUTE_KNOWN, self.view_name_is_route),
        ]
        .into_iter()
        .filter(|(_, on)| *on)
        .fold(ExchangeFlags::new(), |flags, (flag, _)| flags.with(flag));
        self.slow =
            self.status_labels || self.view_name_is_route || self.h1_upgrade_guard || self.skips_routes;
        INTERNED.intern(self)
    }
}
