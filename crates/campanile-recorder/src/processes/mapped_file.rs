//! A read-only mapping of a file and its parsed declarations, kept between scrapes.

use std::{
    fs::File,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    cells::MappedWords,
    processes::{
        layout::{self, FileRole, HEADER_LEN, header},
        parser::{ParsedFile, SkipReason},
    },
};

/// A mapped file, of this process or another.
#[derive(Debug)]
pub(crate) struct MappedFile {
    pub(crate) file: File,
    words: MappedWords,
    pub(crate) parsed: ParsedFile,
}

impl MappedFile {
    /// Maps and parses a file.
    pub(crate) fn new(file: File) -> Result<Self, SkipReason> {
        let words = map(&file, length(&file)?)?;
        let parsed = ParsedFile::new(words.as_slice())?;
        let mut mapped = Self { file, words, parsed };
        mapped.refresh()?;
        Ok(mapped)
    }

    /// Maps what the file has grown by and parses new records.
    ///
    /// # Errors
    ///
    /// If the file is malformed, after which it must not be used. With [`SkipReason::Exhausted`] nothing has changed.
    pub(crate) fn refresh(&mut self) -> Result<(), SkipReason> {
        let committed = ParsedFile::committed(self.words.as_slice())?;
        let len = length(&self.file)?;
        if len < self.words.as_slice().len() {
            return Err(SkipReason::Damaged);
        }
        if len > self.words.as_slice().len() {
            self.words = map(&self.file, len)?;
        }
        self.parsed.extend(self.words.as_slice(), committed)
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        self.words.as_slice()
    }

    /// Returns whether the file is an archive with a correct checksum.
    pub(crate) fn is_valid_archive(&self) -> bool {
        let words = || self.words().iter().map(|word| word.load(Relaxed));
        self.parsed.role == FileRole::Archive
            && words().nth(header::CHECKSUM) == Some(layout::checksum(words()))
    }
}

/// Returns the length of the file in words.
fn length(file: &File) -> Result<usize, SkipReason> {
    let bytes = file
        .metadata()
        .map_err(|error| SkipReason::from_error(&error))?
        .len();
    usize::try_from(bytes / 8).map_err(|_| SkipReason::Damaged)
}

fn map(file: &File, len: usize) -> Result<MappedWords, SkipReason> {
    if len < HEADER_LEN {
        return Err(SkipReason::Damaged);
    }
    MappedWords::from_file_read_only(file, len).map_err(|error| SkipReason::from_error(&error))
}
