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
    pub(super) response_duration: bool,
    pub(super) body_sizes: bool,
    pub(super) h1_upgrade_guard: bool,
}

/// What a layer does that was told nothing.
pub(super) static DEFAULT: Settings = Settings {
    table: series::global(),
    routes: series::ROUTE_LIMIT,
    rpcs: series::RPC_LIMIT,
    response_duration: true,
    body_sizes: true,
    h1_upgrade_guard: false,
};

impl Settings {
    /// Finds or keeps settings like these. They stay for the life of the process, as the series do; a program has few
    /// that differ.
    pub(super) fn keep(self) -> &'static Self {
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
            && self.response_duration == other.response_duration
            && self.body_sizes == other.body_sizes
            && self.h1_upgrade_guard == other.h1_upgrade_guard
    }
}
