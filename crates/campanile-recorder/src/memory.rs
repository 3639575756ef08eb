//! Where words come from: this process alone, or a file that others read.

use std::{io, sync::Arc};

use metrics::Unit;

use crate::{
    Kind, Labels,
    cells::{Place, Words},
    processes::OwnFile,
};

/// Where a recorder's words come from.
#[derive(Debug, Clone)]
pub(crate) enum Memory {
    /// This process's own memory.
    Process,
    /// A file of this process that others read.
    File(Arc<OwnFile>),
}

/// A series, as others have to know it who want to read its words.
#[derive(Debug)]
pub(crate) struct Declaration<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'a Labels,
    /// Empty unless it is a histogram.
    pub(crate) bounds: &'a [f64],
    pub(crate) place: &'a Place,
}

impl Memory {
    /// Makes the words of a block, those of a slot or, without one, those that all share.
    pub(crate) fn words(&self, block: u32, slot: Option<u32>, len: usize) -> io::Result<Words> {
        match self {
            Self::Process => Words::anonymous(len),
            Self::File(file) => file.words(block, slot, len),
        }
    }

    /// Tells whoever reads the words of a new series where it is.
    pub(crate) fn declare(&self, declaration: &Declaration<'_>) -> io::Result<()> {
        match self {
            Self::Process => Ok(()),
            Self::File(file) => file.declare(declaration),
        }
    }

    /// Tells whoever reads what a metric is.
    pub(crate) fn describe(&self, name: &str, unit: Option<Unit>, help: &str) {
        if let Self::File(file) = self {
            file.describe(name, unit, help);
        }
    }

    /// Counts a registration that found no room, where there is none for a series that counts it either.
    pub(crate) fn lose(&self) {
        if let Self::File(file) = self {
            file.lose();
        }
    }
}
