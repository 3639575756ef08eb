//! A file that is mapped to be read, and what it declares, kept from scrape to scrape.

use std::{
    fs::File,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    cells::Words,
    processes::{
        contents::{Contents, Unread},
        layout::{self, HEADER, Role, at},
    },
};

/// A file of one's own or of others.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) file: File,
    words: Words,
    pub(crate) contents: Contents,
}

impl Mapped {
    /// Maps a file and reads what it declares.
    pub(crate) fn new(file: File) -> Result<Self, Unread> {
        let words = map(&file, length(&file)?)?;
        let contents = Contents::new(words.as_slice())?;
        let mut mapped = Self {
            file,
            words,
            contents,
        };
        mapped.refresh()?;
        Ok(mapped)
    }

    /// Reads what was declared since, and maps what the file grew by.
    ///
    /// # Errors
    ///
    /// Where the file makes no sense: from then on it must not be read. Where the system is [`Unread::Exhausted`] all is
    /// as it was.
    pub(crate) fn refresh(&mut self) -> Result<(), Unread> {
        let committed = Contents::committed(self.words.as_slice())?;
        let len = length(&self.file)?;
        if len < self.words.as_slice().len() {
            // Somebody cut it short.
            return Err(Unread::Damaged);
        }
        if len > self.words.as_slice().len() {
            self.words = map(&self.file, len)?;
        }
        self.contents.extend(self.words.as_slice(), committed)
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        self.words.as_slice()
    }

    /// Tells whether an archive is what was written.
    pub(crate) fn is_whole_archive(&self) -> bool {
        let words = || self.words().iter().map(|word| word.load(Relaxed));
        self.contents.role == Role::Archive && words().nth(at::CHECKSUM) == Some(layout::checksum(words()))
    }
}

/// The file's length in words.
fn length(file: &File) -> Result<usize, Unread> {
    let bytes = file.metadata().map_err(|error| Unread::of(&error))?.len();
    usize::try_from(bytes / 8).map_err(|_| Unread::Damaged)
}

fn map(file: &File, len: usize) -> Result<Words, Unread> {
    if len < HEADER {
        return Err(Unread::Damaged);
    }
    Words::of_foreign_file(file, len).map_err(|error| Unread::of(&error))
}
