//! Where words come from: this process alone, or a file that others read.

use std::io;

use metrics::Unit;

use crate::{
    Kind, Labels,
    cells::{Place, Words},
};

/// Where a recorder's words come from.
#[derive(Debug, Clone)]
pub(crate) enum Memory {
    /// This process's own memory.
    Process,
}

/// A series, as others have to know it who want to read its words.
#[derive(Debug)]
pub(crate) struct Declaration<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'a Labels,
    pub(crate) unit: Option<Unit>,
    /// Empty unless it is a histogram.
    pub(crate) bounds: &'a [f64],
    pub(crate) place: &'a Place,
}

impl Memory {
    /// Makes the words of a block, those of a slot or, without one, those that all share.
    pub(crate) fn words(&self, block: u32, slot: Option<u32>, len: usize) -> io::Result<Words> {
        let (Self::Process, _, _) = (self, block, slot);
        Words::anonymous(len)
    }

    /// Tells whoever reads the words of a new series where it is.
    pub(crate) fn declare(&self, declaration: &Declaration<'_>) -> io::Result<()> {
        let (Self::Process, _) = (self, declaration);
        Ok(())
    }

    /// Tells whoever reads what a metric is.
    pub(crate) fn describe(&self, name: &str, unit: Option<Unit>, help: &str) {
        let (Self::Process, _, _, _) = (self, name, unit, help);
    }
}
