//! Stubs for systems without `flock` and shared mappings: opening a directory is an error.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use metrics::Unit;

use crate::{
    DirectoryError, GaugeMode, Snapshot, cells::MappedWords, matcher::MatchRules, registry::Registry,
    storage::SeriesDeclaration,
};

/// A directory shared by several processes; uninhabited here.
#[derive(Debug)]
pub(crate) enum SharedDirectory {}

/// The file of this process; uninhabited here.
#[derive(Debug)]
pub(crate) enum ProcessFile {}

impl SharedDirectory {
    pub(crate) fn open(path: &Path, _: MatchRules<GaugeMode>, _: usize) -> Result<Self, DirectoryError> {
        let source = io::Error::new(io::ErrorKind::Unsupported, "supported on Unix only");
        Err(DirectoryError::new(path, "record metrics in", source))
    }

    pub(crate) fn start_checks(&self, _: &Arc<Registry>) -> Result<(), DirectoryError> {
        match *self {}
    }

    pub(crate) fn process_file(&self) -> &Arc<ProcessFile> {
        match *self {}
    }

    pub(crate) fn path(&self) -> PathBuf {
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

impl ProcessFile {
    pub(crate) fn map_block(&self, _: u32, _: Option<u32>, _: usize) -> io::Result<MappedWords> {
        match *self {}
    }

    pub(crate) fn declare(&self, _: &SeriesDeclaration<'_>) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn count_lost_registration(&self) {
        match *self {}
    }

    pub(crate) fn describe(&self, _: &str, _: Option<Unit>, _: &str) {
        match *self {}
    }
}
