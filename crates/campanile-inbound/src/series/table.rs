//! All series that go to one recorder.

use std::{
    ptr,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use campanile_core::{
    method,
    series::{FoldCounter, Key, Lazy, METADATA, Metric, Names, OTHER, SeriesTable, Source},
};
use metrics::{Counter, Gauge, Histogram, Key as MetricKey, Label as MetricLabel, Recorder};

use super::{RouteSeries, RpcSeries};
use crate::names;

/// All series that go to one recorder. Lives as long as the process, so that requests refer to it without a count.
pub(crate) struct ServerSeries {
    pub(crate) source: Source,
    pub(super) routes: SeriesTable<RouteSeries>,
    /// The series of `other`, by method: where no route is known nothing is looked up.
    pub(super) others: [OnceLock<&'static RouteSeries>; method::NAMES.len()],
    pub(super) route_names: Names,
    rpcs: SeriesTable<RpcSeries>,
    rpc_names: Names,
    folded: FoldCounter,
    described: OnceLock<()>,
    ids_rejected: Lazy<Counter>,
    deadlines_rejected: Lazy<Counter>,
    soft_timeouts: Lazy<Counter>,
    starts_rejected: Lazy<Counter>,
    proxy_wait: Lazy<Histogram>,
    upgraded: Lazy<Gauge>,
}

/// Routes that are label values of their own, unless a layer says otherwise.
pub(crate) const ROUTE_LIMIT: u32 = 1_000;

/// gRPC methods that are label values of their own, unless a layer says otherwise.
pub(crate) const RPC_LIMIT: u32 = 500;

/// The series of the recorder that the process installs.
static GLOBAL: ServerSeries = ServerSeries::new(Source::Global);

/// Returns the series of the recorder that the process installs.
pub(crate) const fn global() -> &'static ServerSeries {
    &GLOBAL
}

/// Finds or makes the series of a layer's own recorder: one table for each, so that two layers know each other.
pub(crate) fn of_recorder(recorder: &'static (dyn Recorder + Sync)) -> &'static ServerSeries {
    static TABLES: Mutex<Vec<&'static ServerSeries>> = Mutex::new(Vec::new());
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(table) = tables.iter().find(|table| table.records_to(recorder)) {
        return table;
    }
    let table = Box::leak(Box::new(ServerSeries::new(Source::Own(recorder))));
    tables.push(table);
    table
}

/// One table is no other.
impl PartialEq for ServerSeries {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

impl ServerSeries {
    pub(super) const fn new(source: Source) -> Self {
        Self {
            source,
            routes: SeriesTable::new(),
            others: [const { OnceLock::new() }; method::NAMES.len()],
            route_names: Names::new(),
            rpcs: SeriesTable::new(),
            rpc_names: Names::new(),
            folded: FoldCounter::new(),
            described: OnceLock::new(),
            ids_rejected: Lazy::new(),
            deadlines_rejected: Lazy::new(),
            soft_timeouts: Lazy::new(),
            starts_rejected: Lazy::new(),
            proxy_wait: Lazy::new(),
            upgraded: Lazy::new(),
        }
    }

    #[allow(
        ambiguous_wide_pointer_comparisons,
        reason = "with a second vtable of one type there are two tables, which is no worse than before"
    )]
    fn records_to(&self, recorder: &'static (dyn Recorder + Sync)) -> bool {
        // What has no size has no address of its own either.
        matches!(self.source, Source::Own(own) if size_of_val(own) != 0 && ptr::eq(own, recorder))
    }

    /// Counts an observation under `other` in place of its own label.
    #[cold]
    pub(crate) fn count_folded(&self) {
        self.folded.count(self.source);
    }

    /// Finds the series of a gRPC method that has answered before.
    #[inline]
    pub(crate) fn known_rpc(&'static self, name: &str) -> Option<&'static RpcSeries> {
        self.rpcs.get(Key::new(0, name, ""))
    }

    /// Finds or makes the series of a gRPC method that has answered.
    pub(crate) fn rpc(&'static self, name: &str, limit: usize) -> &'static RpcSeries {
        if let Some(series) = self.known_rpc(name) {
            return series;
        }
        if self.rpc_names.admit(name, limit) {
            return self
                .rpcs
                .get_or_insert(Key::new(0, name, ""), || RpcSeries::new(name));
        }
        self.folded.count(self.source);
        self.unknown_rpc()
    }

    /// Returns the series of the gRPC methods that nobody serves.
    pub(crate) fn unknown_rpc(&'static self) -> &'static RpcSeries {
        self.rpcs
            .get_or_insert(Key::new(0, OTHER, ""), || RpcSeries::new(OTHER))
    }

    pub(crate) fn count_rejected_id(&self) {
        self.count(&self.ids_rejected, names::IDS_REJECTED);
    }

    pub(crate) fn count_rejected_deadline(&self) {
        self.count(&self.deadlines_rejected, names::DEADLINES_REJECTED);
    }

    pub(crate) fn count_soft_timeout(&self) {
        self.count(&self.soft_timeouts, names::SOFT_TIMEOUTS);
    }

    pub(crate) fn count_rejected_start(&self) {
        self.count(&self.starts_rejected, names::STARTS_REJECTED);
    }

    pub(crate) fn record_proxy_wait(&self, waited: Duration) {
        let histogram = self.proxy_wait.get(self.source, |recorder| {
            self.histogram(recorder, names::PROXY_WAIT, Vec::new())
        });
        if let Some(histogram) = histogram {
            histogram.record(waited);
        }
    }

    /// Returns the gauge of upgraded connections.
    pub(crate) fn upgraded(&self) -> Option<&Gauge> {
        self.upgraded.get(self.source, |recorder| {
            self.gauge(recorder, names::UPGRADED, Vec::new())
        })
    }

    fn count(&self, counter: &Lazy<Counter>, metric: Metric) {
        let counter = counter.get(self.source, |recorder| self.counter(recorder, metric, Vec::new()));
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }

    pub(crate) fn counter(
        &self,
        recorder: &dyn Recorder,
        metric: Metric,
        labels: Vec<MetricLabel>,
    ) -> Counter {
        recorder.register_counter(&self.key(recorder, metric, labels), &METADATA)
    }

    pub(crate) fn gauge(&self, recorder: &dyn Recorder, metric: Metric, labels: Vec<MetricLabel>) -> Gauge {
        recorder.register_gauge(&self.key(recorder, metric, labels), &METADATA)
    }

    pub(super) fn histogram(
        &self,
        recorder: &dyn Recorder,
        metric: Metric,
        labels: Vec<MetricLabel>,
    ) -> Histogram {
        recorder.register_histogram(&self.key(recorder, metric, labels), &METADATA)
    }

    fn key(&self, recorder: &dyn Recorder, metric: Metric, mut labels: Vec<MetricLabel>) -> MetricKey {
        self.described.get_or_init(|| {
            for metric in names::ALL {
                metric.describe(recorder);
            }
        });
        // There are recorders that render labels in the order of the key.
        labels.sort_unstable();
        MetricKey::from_parts(metric.name, labels)
    }
}
