//! The histograms of a view, by method and status.

use std::sync::OnceLock;

use campanile_core::method;
use campanile_metrics::{LazyHandle, RecorderHandle};
use metrics::Histogram;

use super::view::decimal;
use crate::names::{self, label, labels};

/// The lowest status.
const LOWEST: u16 = 100;
const STATUSES: usize = 900;

/// Most views have one method and three statuses, which are stored inline; others are in an array.
#[derive(Default)]
pub(super) struct Durations {
    first: [OnceLock<Series>; 3],
    more: [OnceLock<Box<[LazyHandle<Histogram>]>>; method::NAMES.len()],
}

struct Series {
    method: u8,
    status: u16,
    handle: LazyHandle<Histogram>,
}

impl Durations {
    #[inline]
    pub(super) fn get(
        &self,
        recorder: RecorderHandle,
        method: u8,
        status: u16,
        host: &'static str,
        view: &'static str,
    ) -> Option<&Histogram> {
        let handle = self.handle(method, status);
        match handle.resolved() {
            Some(histogram) => Some(histogram),
            None => resolve(handle, recorder, (method, status, host, view)),
        }
    }

    #[inline]
    fn handle(&self, method: u8, status: u16) -> &LazyHandle<Histogram> {
        for slot in &self.first {
            let series = slot.get_or_init(|| Series {
                method,
                status,
                handle: LazyHandle::new(),
            });
            if series.status == status && series.method == method {
                return &series.handle;
            }
        }
        let statuses =
            self.more[usize::from(method)].get_or_init(|| (0..STATUSES).map(|_| LazyHandle::new()).collect());
        &statuses[usize::from(status.saturating_sub(LOWEST)).min(STATUSES - 1)]
    }
}

#[cold]
fn resolve<'a>(
    handle: &'a LazyHandle<Histogram>,
    recorder: RecorderHandle,
    (method, status, host, view): (u8, u16, &'static str, &'static str),
) -> Option<&'a Histogram> {
    handle.get(recorder, |recorder| {
        register(recorder, method, status, host, view)
    })
}

fn register(
    recorder: &dyn metrics::Recorder,
    method: u8,
    status: u16,
    host: &'static str,
    view: &'static str,
) -> Histogram {
    let status: &'static str = Box::leak(decimal(status, &mut [0; 3]).into());
    let labels = labels([
        (label::METHOD, method::name(method)),
        (label::HOST, host),
        (label::VIEW, view),
        (label::STATUS, status),
    ]);
    names::DURATION.register(recorder, labels)
}
