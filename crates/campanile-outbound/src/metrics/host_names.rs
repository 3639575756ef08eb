//! What a connector layer shares with a metrics layer: the recorder, and the names of hosts.

use std::sync::Arc;

use http::{HeaderMap, Uri};

use super::{
    MetricsLayer,
    options::{self, Options, with_host},
    table::{HostSeries, OutboundSeries},
};

/// The recorder and the host names of a metrics layer.
#[derive(Debug, Clone)]
pub(crate) struct HostNames {
    table: &'static OutboundSeries,
    options: Option<Arc<Options>>,
}

impl HostNames {
    pub(crate) fn of<W, V>(layer: &MetricsLayer<W, V>) -> Self {
        Self {
            table: layer.table,
            options: layer.options.clone(),
        }
    }

    pub(crate) fn table(&self) -> &'static OutboundSeries {
        self.table
    }

    /// Finds the series of the host that a URL names.
    pub(crate) fn host(&self, uri: &Uri) -> &'static HostSeries {
        let options = self.options.as_deref();
        let limit = options.map_or(options::HOSTS, |options| options.hosts);
        with_host(options, None, uri, &HeaderMap::new(), |name| {
            self.table.host(name, limit)
        })
    }
}

impl Default for HostNames {
    fn default() -> Self {
        Self {
            table: OutboundSeries::global(),
            options: None,
        }
    }
}
