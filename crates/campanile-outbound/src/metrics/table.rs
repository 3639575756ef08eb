//! All series that go to one recorder.

use std::{fmt, sync::OnceLock};

use campanile_core::{
    in_flight, method,
    series::{SeriesKey, SeriesTable},
};
use campanile_metrics::{FoldCounter, LabelLimiter, LazyHandle, OTHER, PerRecorder, RecorderHandle};
use metrics::Gauge;

use super::{rpc::RpcSeries, view::ViewSeries};
use crate::{
    host,
    names::{self, label, labels},
};

/// Tags of keys: of admitted names, and of the series of the others.
const ADMITTED: u8 = 0;
const FOLDED: u8 = 1;

/// The number of authorities that are remembered for each host.
const AUTHORITIES: usize = 4;

/// All series that go to one recorder. Lives as long as the process, so that calls hold plain references into it.
pub(crate) struct OutboundSeries {
    pub(crate) recorder: RecorderHandle,
    folded: FoldCounter,
    host_names: LabelLimiter,
    view_names: LabelLimiter,
    rpc_names: LabelLimiter,
    hosts: SeriesTable<HostSeries>,
    /// The hosts of authorities as URLs spell them, so that most calls need not parse theirs.
    authorities: SeriesTable<&'static HostSeries>,
    rpc: SeriesTable<RpcSeries>,
}

/// The series of the global recorder.
static GLOBAL: OutboundSeries = OutboundSeries::new(RecorderHandle::global());

impl OutboundSeries {
    const fn new(recorder: RecorderHandle) -> Self {
        Self {
            recorder,
            folded: FoldCounter::new(),
            host_names: LabelLimiter::new(),
            view_names: LabelLimiter::new(),
            rpc_names: LabelLimiter::new(),
            hosts: SeriesTable::new(),
            authorities: SeriesTable::new(),
            rpc: SeriesTable::new(),
        }
    }

    /// Returns the series of the global recorder.
    pub(crate) const fn global() -> &'static Self {
        &GLOBAL
    }

    /// Finds or makes the series of a recorder: one table for each, so that nested layers recognise each other.
    pub(crate) fn of(recorder: RecorderHandle) -> &'static Self {
        static TABLES: PerRecorder<OutboundSeries> = PerRecorder::new();
        if recorder == RecorderHandle::global() {
            return &GLOBAL;
        }
        TABLES.get_or_make(recorder, || Self::new(recorder))
    }

    /// Counts an observation under `other`.
    #[cold]
    pub(crate) fn count_folded(&self) {
        self.folded.increment(self.recorder);
    }

    /// Finds the series of a host.
    #[inline]
    pub(crate) fn host(&'static self, name: &str, limit: usize) -> &'static HostSeries {
        match self.hosts.get(SeriesKey::new(ADMITTED, name, "")) {
            Some(block) => block,
            None => self.new_host(name, limit),
        }
    }

    /// Finds the series of the host of an authority that was seen before.
    #[inline]
    pub(crate) fn known_authority(&'static self, authority: &str) -> Option<&'static HostSeries> {
        self.authorities
            .get(SeriesKey::new(ADMITTED, authority, ""))
            .copied()
    }

    /// Remembers the host of an authority, unless it contains userinfo, and up to a few spellings and ports of each host.
    #[cold]
    pub(crate) fn remember_authority(&'static self, authority: &str, host: &'static HostSeries) {
        let is_admitted = authority.len() <= host::MAX_LEN && !authority.contains('@') && !host.folded;
        if is_admitted && self.authorities.len() < AUTHORITIES * self.host_names.len() {
            self.authorities
                .get_or_insert(SeriesKey::new(ADMITTED, authority, ""), || host);
        }
    }

    #[cold]
    fn new_host(&'static self, name: &str, limit: usize) -> &'static HostSeries {
        if name.len() <= host::MAX_LEN && self.host_names.admit(name, limit) {
            self.hosts.get_or_insert(SeriesKey::new(ADMITTED, name, ""), || {
                HostSeries::new(leak(name), false)
            })
        } else {
            self.hosts
                .get_or_insert(SeriesKey::new(FOLDED, OTHER, ""), || HostSeries::new(OTHER, true))
        }
    }

    /// Finds the series of a view of a host.
    #[inline]
    pub(crate) fn view(
        &'static self,
        host: &'static HostSeries,
        name: &str,
        limit: usize,
    ) -> &'static ViewSeries {
        for place in &host.first {
            match place.get() {
                Some(block) if block.view == name => return block,
                Some(_) => {}
                None => break,
            }
        }
        match host.more.get(SeriesKey::new(ADMITTED, name, "")) {
            Some(block) => block,
            None => self.new_view(host, name, limit),
        }
    }

    #[cold]
    fn new_view(&'static self, host: &'static HostSeries, name: &str, limit: usize) -> &'static ViewSeries {
        if name == names::UNKNOWN {
            return &host.unnamed;
        }
        if !self.view_names.admit(name, limit) {
            return host.other.get_or_init(|| ViewSeries::new(host.name, OTHER, true));
        }
        for place in &host.first {
            let block = place.get_or_init(|| ViewSeries::new(host.name, leak(name), host.folded));
            if block.view == name {
                return block;
            }
        }
        host.more.get_or_insert(SeriesKey::new(ADMITTED, name, ""), || {
            ViewSeries::new(host.name, leak(name), host.folded)
        })
    }

    /// Finds the series of a gRPC method that has one.
    #[inline]
    pub(crate) fn known_rpc(&'static self, method: &str) -> Option<&'static RpcSeries> {
        self.rpc.get(SeriesKey::new(ADMITTED, method, ""))
    }

    /// Finds or makes the series of a gRPC method; `other` for `None` and beyond the limit.
    #[cold]
    pub(crate) fn rpc(&'static self, method: Option<&str>, limit: usize) -> &'static RpcSeries {
        if let Some(method) = method.filter(|method| self.rpc_names.admit(method, limit)) {
            return self.rpc.get_or_insert(SeriesKey::new(ADMITTED, method, ""), || {
                RpcSeries::new(leak(method), false)
            });
        }
        // Folded by the limit, or without a proven name: two entries for one series.
        let folded = method.is_some();
        self.rpc
            .get_or_insert(SeriesKey::new(FOLDED + u8::from(folded), OTHER, ""), || {
                RpcSeries::new(OTHER, folded)
            })
    }
}

impl fmt::Debug for OutboundSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundSeries")
            .field("recorder", &self.recorder)
            .finish_non_exhaustive()
    }
}

/// Keeps a label value as long as its series, which is the life of the process. Called once per series.
fn leak(name: &str) -> &'static str {
    Box::leak(name.into())
}

/// The series of a host.
pub(crate) struct HostSeries {
    pub(crate) name: &'static str,
    pub(crate) folded: bool,
    pub(crate) label: in_flight::InternedName,
    pub(crate) active: LazyHandle<Gauge>,
    /// For layers with status labels.
    active_by_method: OnceLock<Box<[LazyHandle<Gauge>; method::NAMES.len()]>>,
    pub(crate) unnamed: ViewSeries,
    /// The first views, which most calls have: found without a hash.
    first: [OnceLock<ViewSeries>; 2],
    more: SeriesTable<ViewSeries>,
    other: OnceLock<ViewSeries>,
    #[cfg(feature = "connect")]
    pub(crate) connect: crate::connect::ConnectSeries,
}

impl HostSeries {
    fn new(name: &'static str, folded: bool) -> Self {
        Self {
            name,
            folded,
            label: in_flight::InternedName::new(name),
            active: LazyHandle::new(),
            active_by_method: OnceLock::new(),
            unnamed: ViewSeries::new(name, names::UNKNOWN, folded),
            first: [const { OnceLock::new() }; 2],
            more: SeriesTable::new(),
            other: OnceLock::new(),
            #[cfg(feature = "connect")]
            connect: crate::connect::ConnectSeries::default(),
        }
    }

    #[inline]
    pub(crate) fn active(&self, recorder: RecorderHandle) -> Option<&Gauge> {
        self.active.get(recorder, |recorder| {
            names::ACTIVE.register::<Gauge>(recorder, labels([(label::HOST, self.name)]))
        })
    }

    pub(crate) fn active_by_method(&self, recorder: RecorderHandle, method: u8) -> Option<&Gauge> {
        let gauges = self.active_by_method.get_or_init(Box::default);
        let method = usize::from(method);
        gauges[method].get(recorder, |recorder| {
            let labels = labels([(label::HOST, self.name), (label::METHOD, method::NAMES[method])]);
            names::ACTIVE.register::<Gauge>(recorder, labels)
        })
    }
}
