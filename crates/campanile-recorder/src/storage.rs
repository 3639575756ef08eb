//! Where cells are stored: in private memory, or in a file that other processes read.

use std::{io, sync::Arc};

use metrics::Unit;

use crate::{
    Labels, MetricKind,
    cells::{CellRange, MappedWords},
    processes::ProcessFile,
};

/// Where the cells of a recorder are stored.
#[derive(Debug, Clone)]
pub(crate) enum CellStorage {
    /// In private memory.
    Private,
    /// In a file that other processes read.
    Shared(Arc<ProcessFile>),
}

/// What other processes need to know of a series to read its cells.
#[derive(Debug)]
pub(crate) struct SeriesDeclaration<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: MetricKind,
    pub(crate) labels: &'a Labels,
    /// The bounds of a histogram, otherwise empty.
    pub(crate) bounds: &'a [f64],
    pub(crate) cells: &'a CellRange,
}

impl CellStorage {
    /// Maps the words of a block for a thread slot, or the shared ones for `None`.
    pub(crate) fn map_block(&self, block: u32, slot: Option<u32>, len: usize) -> io::Result<MappedWords> {
        match self {
            Self::Private => MappedWords::anonymous(len),
            Self::Shared(file) => file.map_block(block, slot, len),
        }
    }

    /// Publishes where the cells of a new series are.
    pub(crate) fn declare(&self, declaration: &SeriesDeclaration<'_>) -> io::Result<()> {
        match self {
            Self::Private => Ok(()),
            Self::Shared(file) => file.declare(declaration),
        }
    }

    /// Publishes the unit and help of a metric.
    pub(crate) fn describe(&self, name: &str, unit: Option<Unit>, help: &str) {
        if let Self::Shared(file) = self {
            file.describe(name, unit, help);
        }
    }

    /// Counts a registration for which there was no space, not even for a series that counts it.
    pub(crate) fn count_lost_registration(&self) {
        if let Self::Shared(file) = self {
            file.count_lost_registration();
        }
    }
}
