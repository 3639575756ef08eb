//! The series of the inbound layers: blocks of handles, found once per request.

use std::{
    array, ptr,
    sync::{Mutex, OnceLock, PoisonError},
};

use campanile_http::{
    Outcome,
    grpc::Code,
    in_flight::Label,
    method,
    series::{FoldCounter, Key, Lazy, METADATA, Metric, Names, OTHER, SeriesTable, Source},
};
use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, Key as MetricKey, Label as MetricLabel, Recorder};

use crate::names;

/// All series that go to one recorder. Lives as long as the process, so that requests refer to it without a count.
pub(crate) struct ServerSeries {
    pub(crate) source: Source,
    routes: SeriesTable<RouteSeries>,
    /// The series of `other`, by method: where no route is known nothing is looked up.
    others: [OnceLock<&'static RouteSeries>; method::NAMES.len()],
    route_names: Names,
    rpcs: SeriesTable<RpcSeries>,
    rpc_names: Names,
    folded: FoldCounter,
    described: OnceLock<()>,
    ids_rejected: Lazy<Counter>,
    deadlines_rejected: Lazy<Counter>,
    soft_timeouts: Lazy<Counter>,
    upgraded: Lazy<Gauge>,
}

/// Routes that are label values of their own, unless a layer says otherwise.
pub(crate) const ROUTE_LIMIT: u32 = 1_000;

/// gRPC methods that are label values of their own, unless a layer says otherwise.
pub(crate) const RPC_LIMIT: u32 = 500;

/// The series of the recorder that the process installs.
static GLOBAL: ServerSeries = ServerSeries::new(Source::Global);

/// Returns the series of the recorder that the process installs.
pub(crate) fn global() -> &'static ServerSeries {
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

impl ServerSeries {
    const fn new(source: Source) -> Self {
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

    /// Finds the series of a method and a route, and counts it if the route is folded.
    #[inline]
    pub(crate) fn route(&'static self, method: u8, route: &str, limit: usize) -> &'static RouteSeries {
        let (series, folded) = self.find_route(method, route, limit);
        if folded {
            self.count_folded();
        }
        series
    }

    /// Finds the series of a method and a route, and tells whether the route is folded.
    #[inline]
    pub(crate) fn find_route(
        &'static self,
        method: u8,
        route: &str,
        limit: usize,
    ) -> (&'static RouteSeries, bool) {
        match self.routes.get(Key::new(method, route, "")) {
            Some(series) => (series, false),
            None => self.new_route(method, route, limit),
        }
    }

    /// Finds the series of a method whose route is not known.
    #[inline]
    pub(crate) fn other_route(&'static self, method: u8) -> &'static RouteSeries {
        self.others[usize::from(method)].get_or_init(|| self.add_route(method, OTHER))
    }

    #[cold]
    fn new_route(&'static self, method: u8, route: &str, limit: usize) -> (&'static RouteSeries, bool) {
        let folded = route != OTHER && !self.route_names.admit(route, limit);
        let route = if folded { OTHER } else { route };
        (self.add_route(method, route), folded)
    }

    /// Counts an observation under `other` in place of its own label.
    #[cold]
    pub(crate) fn count_folded(&self) {
        self.folded.count(self.source);
    }

    fn add_route(&'static self, method: u8, route: &str) -> &'static RouteSeries {
        self.routes
            .get_or_insert(Key::new(method, route, ""), || RouteSeries::new(method, route))
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

    /// Finds or makes the series of a gRPC method's route, which is bounded by the number of gRPC methods.
    pub(crate) fn rpc_route(&'static self, method: u8, rpc: &RpcSeries) -> &'static RouteSeries {
        rpc.routes[usize::from(method)].get_or_init(|| match rpc.name {
            OTHER => self.other_route(method),
            name => self.add_route(method, &format!("/{name}")),
        })
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

    fn histogram(&self, recorder: &dyn Recorder, metric: Metric, labels: Vec<MetricLabel>) -> Histogram {
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

/// Statuses of a route that have a place in its block; seen first, placed first.
const NEAR: usize = 3;

/// The series of one method and route.
///
/// What a request of the most common status touches stands first and together.
pub(crate) struct RouteSeries {
    active: Lazy<Gauge>,
    near: [OnceLock<StatusSeries>; NEAR],
    response_duration: Lazy<Histogram>,
    request_size: Lazy<Histogram>,
    response_size: Lazy<Histogram>,
    method: u8,
    pub(crate) label: Label,
    pub(crate) name: &'static str,
    /// Further statuses, by their number less 100.
    far: OnceLock<Box<[OnceLock<Box<StatusSeries>>]>>,
    headless: OnceLock<Box<Outcomes>>,
}

/// The series of one status of a route.
pub(crate) struct StatusSeries {
    status: u16,
    completed: Lazy<Counter>,
    duration: Lazy<Histogram>,
    others: OnceLock<Box<Outcomes>>,
}

type Outcomes = [Lazy<Counter>; Outcome::ALL.len()];

fn no_outcomes() -> Box<Outcomes> {
    Box::new(array::from_fn(|_| Lazy::new()))
}

impl RouteSeries {
    fn new(method: u8, route: &str) -> Self {
        let label = Label::intern(route);
        Self {
            active: Lazy::new(),
            near: [const { OnceLock::new() }; NEAR],
            response_duration: Lazy::new(),
            request_size: Lazy::new(),
            response_size: Lazy::new(),
            method,
            label,
            name: label.name().unwrap_or(OTHER),
            far: OnceLock::new(),
            headless: OnceLock::new(),
        }
    }

    fn labels(&self) -> Vec<MetricLabel> {
        vec![
            MetricLabel::from_static_parts(names::METHOD, method::name(self.method)),
            MetricLabel::from_static_parts(names::ROUTE, self.name),
        ]
    }

    fn labels_with(&self, status: &StatusSeries) -> Vec<MetricLabel> {
        let mut labels = self.labels();
        labels.push(MetricLabel::new(names::STATUS, status.status.to_string()));
        labels
    }

    /// Returns the gauge of requests in flight.
    #[inline]
    pub(crate) fn active(&self, table: &ServerSeries) -> Option<&Gauge> {
        self.active.get(table.source, |recorder| {
            table.gauge(recorder, names::ACTIVE, self.labels())
        })
    }

    /// Finds the series of a status.
    #[inline]
    pub(crate) fn status(&self, status: StatusCode) -> &StatusSeries {
        let status = status.as_u16();
        for place in &self.near {
            let series = place.get_or_init(|| StatusSeries::new(status));
            if series.status == status {
                return series;
            }
        }
        self.far_status(status)
    }

    #[cold]
    fn far_status(&self, status: u16) -> &StatusSeries {
        let far = self
            .far
            .get_or_init(|| (100..1000).map(|_| OnceLock::new()).collect());
        far[usize::from(status) - 100].get_or_init(|| Box::new(StatusSeries::new(status)))
    }

    /// Records the time to the head of an answer.
    #[inline]
    pub(crate) fn record_duration(&self, table: &ServerSeries, status: &StatusSeries, seconds: f64) {
        let histogram = status.duration.get(table.source, |recorder| {
            table.histogram(recorder, names::REQUEST_DURATION, self.labels_with(status))
        });
        if let Some(histogram) = histogram {
            histogram.record(seconds);
        }
    }

    /// Counts the end of an exchange; `status` is nothing where there was no head.
    #[inline]
    pub(crate) fn count_end(&self, table: &ServerSeries, status: Option<&StatusSeries>, outcome: Outcome) {
        let place = match status {
            Some(status) if outcome == Outcome::Completed => &status.completed,
            Some(status) => &status.others.get_or_init(no_outcomes)[outcome.index()],
            None => &self.headless.get_or_init(no_outcomes)[outcome.index()],
        };
        let counter = place.get(table.source, |recorder| {
            let status = status.map(|status| status.status.to_string()).unwrap_or_default();
            let mut labels = self.labels();
            labels.push(MetricLabel::new(names::STATUS, status));
            labels.push(MetricLabel::from_static_parts(names::OUTCOME, outcome.as_str()));
            table.counter(recorder, names::REQUESTS, labels)
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }

    /// Records the time to the end of an exchange.
    #[inline]
    pub(crate) fn record_response_duration(&self, table: &ServerSeries, seconds: f64) {
        self.record(table, &self.response_duration, names::RESPONSE_DURATION, seconds);
    }

    /// Records the bytes of a request's body.
    #[inline]
    pub(crate) fn record_request_size(&self, table: &ServerSeries, bytes: u64) {
        self.record(table, &self.request_size, names::REQUEST_SIZE, bytes as f64);
    }

    /// Records the bytes of an answer's body.
    #[inline]
    pub(crate) fn record_response_size(&self, table: &ServerSeries, bytes: u64) {
        self.record(table, &self.response_size, names::RESPONSE_SIZE, bytes as f64);
    }

    #[inline]
    fn record(&self, table: &ServerSeries, place: &Lazy<Histogram>, metric: Metric, value: f64) {
        let histogram = place.get(table.source, |recorder| {
            table.histogram(recorder, metric, self.labels())
        });
        if let Some(histogram) = histogram {
            histogram.record(value);
        }
    }
}

impl StatusSeries {
    const fn new(status: u16) -> Self {
        Self {
            status,
            completed: Lazy::new(),
            duration: Lazy::new(),
            others: OnceLock::new(),
        }
    }
}

/// The series of one gRPC method.
pub(crate) struct RpcSeries {
    name: &'static str,
    codes: [Lazy<Counter>; Code::ALL.len()],
    routes: [OnceLock<&'static RouteSeries>; method::NAMES.len()],
}

impl RpcSeries {
    fn new(name: &str) -> Self {
        Self {
            name: Label::intern(name).name().unwrap_or(OTHER),
            codes: array::from_fn(|_| Lazy::new()),
            routes: [const { OnceLock::new() }; method::NAMES.len()],
        }
    }

    /// Counts the end of a call.
    pub(crate) fn count(&self, table: &ServerSeries, code: Code) {
        let counter = self.codes[code as usize].get(table.source, |recorder| {
            let labels = vec![
                MetricLabel::from_static_parts(names::RPC_METHOD, self.name),
                MetricLabel::from_static_parts(names::RPC_STATUS, code.as_str()),
            ];
            table.counter(recorder, names::RPCS, labels)
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }
}
