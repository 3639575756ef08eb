//! Options of a metrics layer, shared by its clones.

use std::collections::{HashMap, HashSet};

use http::{HeaderMap, Uri};

use crate::{CallName, host, names};

pub(super) const HOSTS: usize = 200;
pub(super) const VIEWS: usize = 500;
pub(super) const RPC_METHODS: usize = 500;

#[derive(Debug, Clone)]
pub(super) struct Options {
    /// Host names by authority.
    pub(super) names: HashMap<Box<str>, Box<str>>,
    pub(super) default_host: Option<Box<str>>,
    pub(super) view_header: ViewHeader,
    pub(super) hosts: usize,
    pub(super) views: usize,
    pub(super) rpc_methods: usize,
    pub(super) status_labels: bool,
}

/// The hosts whose `X-View-Name` is used.
#[derive(Debug, Clone)]
pub(super) enum ViewHeader {
    AllHosts,
    Hosts(HashSet<Box<str>>),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            names: HashMap::new(),
            default_host: None,
            view_header: ViewHeader::AllHosts,
            hosts: HOSTS,
            views: VIEWS,
            rpc_methods: RPC_METHODS,
            status_labels: false,
        }
    }
}

impl Options {
    /// Returns whether the `X-View-Name` of this host is used.
    pub(super) fn trusts_view_of(&self, host: &str) -> bool {
        match &self.view_header {
            ViewHeader::AllHosts => true,
            ViewHeader::Hosts(hosts) => hosts.contains(host),
        }
    }
}

/// Calls `f` with the host name of a call, for the label.
#[inline]
pub(super) fn with_host<R>(
    options: Option<&Options>,
    name: Option<&CallName>,
    uri: &Uri,
    headers: &HeaderMap,
    f: impl FnOnce(&str) -> R,
) -> R {
    if let Some(name) = name.and_then(CallName::host) {
        return f(name);
    }
    let Some(authority) = host::authority(uri, headers) else {
        let default = options.and_then(|options| options.default_host.as_deref());
        return f(default.unwrap_or(names::UNKNOWN));
    };
    host::with_lowercase(authority, |authority| {
        let renamed = options.and_then(|options| options.names.get(authority));
        match renamed {
            Some(name) => f(name),
            None => f(host::without_port(authority)),
        }
    })
}
