//! What there is where files cannot be locked and mapped as here it is needed: an error.

use std::{io, path::Path, sync::Arc};

use metrics::Unit;

use crate::{
    Snapshot,
    buckets::Rules,
    cells::Words,
    memory::Declaration,
    processes::{DirectoryError, GaugeMode},
};

/// A directory, of which there is none.
#[derive(Debug)]
pub(crate) enum Directory {}

/// A file, of which there is none.
#[derive(Debug)]
pub(crate) enum OwnFile {}

impl Directory {
    pub(crate) fn open(path: &Path, _: Rules<GaugeMode>, _: usize) -> Result<Self, DirectoryError> {
        let source = io::Error::new(io::ErrorKind::Unsupported, "only Unix can do this");
        Err(DirectoryError::new(path, "count", source))
    }

    pub(crate) fn own(&self) -> &Arc<OwnFile> {
        match *self {}
    }

    pub(crate) fn path(&self) -> &Path {
        match *self {}
    }

    pub(crate) fn is_writer(&self) -> bool {
        match *self {}
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        match *self {}
    }

    pub(crate) fn try_snapshot(&self) -> io::Result<Snapshot> {
        match *self {}
    }
}

impl OwnFile {
    pub(crate) fn words(&self, _: u32, _: Option<u32>, _: usize) -> io::Result<Words> {
        match *self {}
    }

    pub(crate) fn declare(&self, _: &Declaration<'_>) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn lose(&self) {
        match *self {}
    }

    pub(crate) fn describe(&self, _: &str, _: Option<Unit>, _: &str) {
        match *self {}
    }
}
