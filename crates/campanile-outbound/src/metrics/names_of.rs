//! What connectors share with the layer that counts the calls: the recorder, and how hosts are named.

use std::sync::Arc;

use http::{HeaderMap, Uri};

use super::{
    MetricsLayer,
    options::{self, Options, with_host},
    table::{GLOBAL, HostBlock, Table},
};

#[derive(Debug, Clone)]
pub(crate) struct Names {
    table: &'static Table,
    options: Option<Arc<Options>>,
}

impl Names {
    pub(crate) fn of<W, V>(layer: &MetricsLayer<W, V>) -> Self {
        Self {
            table: layer.table,
            options: layer.options.clone(),
        }
    }

    pub(crate) fn table(&self) -> &'static Table {
        self.table
    }

    /// Finds the block of the host that a URL names.
    pub(crate) fn host(&self, uri: &Uri) -> &'static HostBlock {
        let options = self.options.as_deref();
        let limit = options.map_or(options::HOSTS, |options| options.hosts);
        with_host(options, None, uri, &HeaderMap::new(), |name| {
            self.table.host(name, limit)
        })
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            table: &GLOBAL,
            options: None,
        }
    }
}
