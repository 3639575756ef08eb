//! The series of one status of a route, and of the ends that are not the usual one.

use std::{
    array,
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
    },
};

use campanile_http::{Outcome, series::Lazy};
use metrics::{Counter, Histogram};

/// What a request with this status touches: the time to its head, and its end where it was completed.
#[derive(Default)]
pub(crate) struct StatusSeries {
    pub(super) completed: Lazy<Counter>,
    pub(super) duration: Lazy<Histogram>,
}

/// The status that owns a place; the first that comes.
#[derive(Default)]
pub(super) struct Owner(AtomicU16);

impl Owner {
    /// Tells whether the place is this status's already.
    #[inline]
    pub(super) fn is(&self, status: u16) -> bool {
        // Relaxed: what stands in the place does not depend on whose it is.
        self.0.load(Ordering::Relaxed) == status
    }

    /// Tells whether the place is this status's, which takes it if it is nobody's.
    pub(super) fn is_or_becomes(&self, status: u16) -> bool {
        match self
            .0
            .compare_exchange(0, status, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => true,
            Err(owner) => owner == status,
        }
    }
}

/// The statuses of a route that came after the first.
#[derive(Default)]
pub(super) struct MoreStatuses {
    second: (Owner, StatusSeries),
    third: (Owner, StatusSeries),
    /// By their number less 100.
    far: OnceLock<Box<[OnceLock<Box<StatusSeries>>]>>,
}

impl MoreStatuses {
    /// Finds the series of a status.
    pub(super) fn get(&self, status: u16) -> &StatusSeries {
        for (owner, series) in [&self.second, &self.third] {
            if owner.is_or_becomes(status) {
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
