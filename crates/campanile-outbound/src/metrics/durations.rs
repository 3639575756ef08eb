//! The histograms of a view, by method and status.

use std::sync::OnceLock;

use campanile_core::{
    method,
    series::{Lazy, Source},
};
use metrics::Histogram;

use super::{register::register_histogram, view::decimal};
use crate::names::{self, label};

/// Statuses have three digits, the first not a zero.
const LOWEST: u16 = 100;
const STATUSES: usize = 900;

/// Most views are called by one method and answer three statuses: those stand inline, others in an array.
#[derive(Default)]
pub(super) struct Durations {
    first: [OnceLock<Series>; 3],
    more: [OnceLock<Box<[Lazy<Histogram>]>>; method::NAMES.len()],
}

struct Series {
    method: u8,
    status: u16,
    handle: Lazy<Histogram>,
}

impl Durations {
    #[inline]
    pub(super) fn get(
        &self,
        source: Source,
        method: u8,
        status: u16,
        host: &'static str,
        view: &'static str,
    ) -> Option<&Histogram> {
        let place = self.place(method, status);
        match place.resolved() {
            Some(histogram) => Some(histogram),
            None => resolve(place, source, (method, status, host, view)),
        }
    }

    #[inline]
    fn place(&self, method: u8, status: u16) -> &Lazy<Histogram> {
        for place in &self.first {
            let series = place.get_or_init(|| Series {
                method,
                status,
                handle: Lazy::new(),
            });
            if series.status == status && series.method == method {
                return &series.handle;
            }
        }
        let statuses =
            self.more[usize::from(method)].get_or_init(|| (0..STATUSES).map(|_| Lazy::new()).collect());
        &statuses[usize::from(status.saturating_sub(LOWEST)).min(STATUSES - 1)]
    }
}

#[cold]
fn resolve<'a>(
    place: &'a Lazy<Histogram>,
    source: Source,
    (method, status, host, view): (u8, u16, &'static str, &'static str),
) -> Option<&'a Histogram> {
    place.get(source, |recorder| register(recorder, method, status, host, view))
}

fn register(
    recorder: &dyn metrics::Recorder,
    method: u8,
    status: u16,
    host: &'static str,
    view: &'static str,
) -> Histogram {
    let status: &'static str = Box::leak(decimal(status, &mut [0; 3]).into());
    register_histogram(
        recorder,
        &names::DURATION,
        [
            (label::METHOD, method::name(method)),
            (label::HOST, host),
            (label::VIEW, view),
            (label::STATUS, status),
        ],
    )
}
