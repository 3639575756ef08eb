//! The handles, by host and view.

use std::{fmt, sync::OnceLock};

use campanile_core::{
    in_flight, method,
    series::{FoldCounter, Key, Lazy, Names, OTHER, SeriesTable, Source},
};
use metrics::{Gauge, Recorder};

use super::{register::register_gauge, rpc::RpcBlock, view::ViewBlock};
use crate::{
    host,
    names::{self, label},
};

/// Tags of keys: a name that was let in, and the place of those that were not.
const ADMITTED: u8 = 0;
const FOLDED: u8 = 1;

/// Authorities that are remembered, for each host.
const AUTHORITIES: usize = 4;

/// All series of one recorder. Lives as long as the process, so that calls hold plain references into it.
pub(crate) struct Table {
    pub(crate) source: Source,
    folded: FoldCounter,
    host_names: Names,
    view_names: Names,
    rpc_names: Names,
    hosts: SeriesTable<HostBlock>,
    /// The hosts of authorities as they stand in URLs, so that most calls need not take theirs apart.
    authorities: SeriesTable<&'static HostBlock>,
    rpc: SeriesTable<RpcBlock>,
}

/// The table of the recorder that the process installs.
pub(crate) static GLOBAL: Table = Table::new(Source::Global);

impl Table {
    const fn new(source: Source) -> Self {
        Self {
            source,
            folded: FoldCounter::new(),
            host_names: Names::new(),
            view_names: Names::new(),
            rpc_names: Names::new(),
            hosts: SeriesTable::new(),
            authorities: SeriesTable::new(),
            rpc: SeriesTable::new(),
        }
    }

    /// Makes the table of a recorder that somebody keeps for himself.
    pub(crate) fn of(recorder: &'static (dyn Recorder + Sync)) -> &'static Self {
        Box::leak(Box::new(Self::new(Source::Own(recorder))))
    }

    /// Counts an observation under `other`.
    #[cold]
    pub(crate) fn count_folded(&self) {
        self.folded.count(self.source);
    }

    /// Finds the block of a host.
    #[inline]
    pub(crate) fn host(&'static self, name: &str, limit: usize) -> &'static HostBlock {
        match self.hosts.get(Key::new(ADMITTED, name, "")) {
            Some(block) => block,
            None => self.new_host(name, limit),
        }
    }

    /// Finds the block of the host of an authority that was seen before.
    #[inline]
    pub(crate) fn known_authority(&'static self, authority: &str) -> Option<&'static HostBlock> {
        self.authorities.get(Key::new(ADMITTED, authority, "")).copied()
    }

    /// Remembers the host of an authority: not its secrets, and no more than a few spellings and ports of each host.
    #[cold]
    pub(crate) fn remember_authority(&'static self, authority: &str, host: &'static HostBlock) {
        let is_fit = authority.len() <= host::LONGEST && !authority.contains('@') && !host.folded;
        if is_fit && self.authorities.len() < AUTHORITIES * self.host_names.len() {
            self.authorities
                .get_or_insert(Key::new(ADMITTED, authority, ""), || host);
        }
    }

    #[cold]
    fn new_host(&'static self, name: &str, limit: usize) -> &'static HostBlock {
        if name.len() <= host::LONGEST && self.host_names.admit(name, limit) {
            self.hosts
                .get_or_insert(Key::new(ADMITTED, name, ""), || HostBlock::new(leak(name), false))
        } else {
            self.hosts
                .get_or_insert(Key::new(FOLDED, OTHER, ""), || HostBlock::new(OTHER, true))
        }
    }

    /// Finds the block of a view of a host.
    #[inline]
    pub(crate) fn view(
        &'static self,
        host: &'static HostBlock,
        name: &str,
        limit: usize,
    ) -> &'static ViewBlock {
        for place in &host.first {
            match place.get() {
                Some(block) if block.view == name => return block,
                Some(_) => {}
                None => break,
            }
        }
        match host.more.get(Key::new(ADMITTED, name, "")) {
            Some(block) => block,
            None => self.new_view(host, name, limit),
        }
    }

    #[cold]
    fn new_view(&'static self, host: &'static HostBlock, name: &str, limit: usize) -> &'static ViewBlock {
        if name == names::UNKNOWN {
            return &host.unnamed;
        }
        if !self.view_names.admit(name, limit) {
            return host.other.get_or_init(|| ViewBlock::new(host.name, OTHER, true));
        }
        for place in &host.first {
            let block = place.get_or_init(|| ViewBlock::new(host.name, leak(name), host.folded));
            if block.view == name {
                return block;
            }
        }
        host.more.get_or_insert(Key::new(ADMITTED, name, ""), || {
            ViewBlock::new(host.name, leak(name), host.folded)
        })
    }

    /// Finds the block of a gRPC method that has one.
    #[inline]
    pub(crate) fn known_rpc(&'static self, method: &str) -> Option<&'static RpcBlock> {
        self.rpc.get(Key::new(ADMITTED, method, ""))
    }

    /// Finds the block of a gRPC method; `other` if it may have none.
    #[cold]
    pub(crate) fn rpc(&'static self, method: &str, admit: bool, limit: usize) -> &'static RpcBlock {
        if admit && self.rpc_names.admit(method, limit) {
            self.rpc.get_or_insert(Key::new(ADMITTED, method, ""), || {
                RpcBlock::new(leak(method), false)
            })
        } else {
            // Folded by the limit, or not to be named yet: two blocks of one series.
            self.rpc
                .get_or_insert(Key::new(FOLDED + u8::from(admit), OTHER, ""), || {
                    RpcBlock::new(OTHER, admit)
                })
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// A label's value stays as long as its series, which is for ever. Called once for each, so it is bounded as they are.
fn leak(name: &str) -> &'static str {
    Box::leak(name.into())
}

/// The handles of a host.
pub(crate) struct HostBlock {
    pub(crate) name: &'static str,
    pub(crate) folded: bool,
    pub(crate) label: in_flight::Label,
    pub(crate) active: Lazy<Gauge>,
    /// Where a layer tells them apart.
    active_by_method: OnceLock<Box<[Lazy<Gauge>; method::NAMES.len()]>>,
    pub(crate) unnamed: ViewBlock,
    /// The views that came first, which are most of the calls: found without a hash.
    first: [OnceLock<ViewBlock>; 2],
    more: SeriesTable<ViewBlock>,
    other: OnceLock<ViewBlock>,
    #[cfg(feature = "connect")]
    pub(crate) connect: crate::connect::ConnectBlock,
}

impl HostBlock {
    fn new(name: &'static str, folded: bool) -> Self {
        Self {
            name,
            folded,
            label: in_flight::Label::intern(name),
            active: Lazy::new(),
            active_by_method: OnceLock::new(),
            unnamed: ViewBlock::new(name, names::UNKNOWN, folded),
            first: [const { OnceLock::new() }; 2],
            more: SeriesTable::new(),
            other: OnceLock::new(),
            #[cfg(feature = "connect")]
            connect: crate::connect::ConnectBlock::default(),
        }
    }

    #[inline]
    pub(crate) fn active(&self, source: Source) -> Option<&Gauge> {
        self.active.get(source, |recorder| {
            register_gauge(recorder, &names::ACTIVE, [(label::HOST, self.name)])
        })
    }

    pub(crate) fn active_by_method(&self, source: Source, method: u8) -> Option<&Gauge> {
        let gauges = self.active_by_method.get_or_init(Box::default);
        let method = usize::from(method);
        gauges[method].get(source, |recorder| {
            let labels = [(label::HOST, self.name), (label::METHOD, method::NAMES[method])];
            register_gauge(recorder, &names::ACTIVE, labels)
        })
    }
}
