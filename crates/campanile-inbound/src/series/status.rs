//! The series of one status of a route, and of the ends that are not the usual one.

use std::{
    array,
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
    },
};

use campanile_core::{Outcome, series::Lazy};
use metrics::{Counter, Histogram};

/// What a request of this status touches: the time to its head, and its end where it was completed.
#[derive(Default)]
pub(crate) struct StatusSeries {
    pub(super) completed: Lazy<Counter>,
    pub(super) duration: Lazy<Histogram>,
}

/// The series of the statuses of a route: the first three that come side by side.
#[derive(Default)]
pub(super) struct Statuses {
    first: [(AtomicU16, StatusSeries); 3],
    /// By their number less 100.
    far: OnceLock<Box<[OnceLock<Box<StatusSeries>>]>>,
}

impl Statuses {
    /// Finds the series of a status.
    pub(super) fn get(&self, status: u16) -> &StatusSeries {
        for (owner, series) in &self.first {
            // Relaxed: what stands in the place does not depend on whose it is.
            let mut seen = owner.load(Ordering::Relaxed);
            if seen == 0 {
                seen = match owner.compare_exchange(0, status, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => status,
                    Err(quicker) => quicker,
                };
            }
            if seen == status {
                return series;
            }
        }
        let far = self
            .far
            .get_or_init(|| (100..1000).map(|_| OnceLock::new()).collect());
        far[usize::from(status) - 100].get_or_init(Box::default)
    }
}

/// What is told apart by status, zero without a head, and outcome: a list of as many as there were statuses.
pub(super) struct Ends<T> {
    status: u16,
    places: [T; Outcome::ALL.len()],
    next: OnceLock<Box<Self>>,
}

impl<T: Default> Ends<T> {
    /// Finds the place of a status and an outcome, in the list that begins here.
    pub(super) fn get(first: &OnceLock<Box<Self>>, status: u16, outcome: Outcome) -> &T {
        let mut place = first;
        loop {
            let ends = place.get_or_init(|| Box::new(Self::new(status)));
            if ends.status == status {
                return &ends.places[outcome.index()];
            }
            place = &ends.next;
        }
    }

    fn new(status: u16) -> Self {
        Self {
            status,
            places: array::from_fn(|_| T::default()),
            next: OnceLock::new(),
        }
    }
}
