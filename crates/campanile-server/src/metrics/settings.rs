//! What a layer was told to do.

use std::{
    ptr,
    sync::{Mutex, PoisonError},
};

use crate::series::{self, ServerSeries};

/// What a layer was told to do, but for what few people set.
///
/// Found by one reference that stays: what a request keeps of it is moved with its exchange.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) table: &'static ServerSeries,
    pub(super) routes: u32,
    pub(super) rpcs: u32,
    /// What was chosen.
    pub(super) at_end: AtEnd,
    /// What of it is recorded with the labels that are usual: all or nothing.
    pub(super) usual: AtEnd,
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
    usual: EVERYTHING,
    status_labels: false,
    h1_upgrade_guard: false,
    view_name_is_route: false,
    apart: false,
};

impl Settings {
    /// Finds or keeps settings like these. They stay for the life of the process, as the series do; a program has few
    /// that differ.
    pub(super) fn keep(mut self) -> &'static Self {
        let usual = !self.status_labels;
        self.usual = AtEnd {
            response_duration: usual && self.at_end.response_duration,
            body_sizes: usual && self.at_end.body_sizes,
        };
        static KEPT: Mutex<Vec<&'static Settings>> = Mutex::new(Vec::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(settings) = kept.iter().find(|settings| settings.are(&self)) {
            return settings;
        }
        let settings: &'static Self = Box::leak(Box::new(self));
        kept.push(settings);
        settings
    }

    fn are(&self, other: &Self) -> bool {
        ptr::eq(self.table, other.table)
            && (self.routes, self.rpcs) == (other.routes, other.rpcs)
            && self.at_end == other.at_end
            && self.status_labels == other.status_labels
            && self.h1_upgrade_guard == other.h1_upgrade_guard
            && self.view_name_is_route == other.view_name_is_route
            && self.apart == other.apart
    }
}
