//! Reads a file by `pread`, so that no content of it, and no other process, can fault this one.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::processes::{
    layout::{self, FileRole, HEADER_LEN, MAX_FILE_LEN, header},
    parser::{ParsedFile, SkipReason},
};

/// Bytes per read: small enough for the cache.
const CHUNK: usize = 64 * 1024;

/// Reads files into one buffer, one after the other.
#[derive(Debug)]
pub(crate) struct FileReader {
    chunk: Box<[u8]>,
    words: Vec<AtomicU64>,
}

impl FileReader {
    pub(crate) fn new() -> Self {
        Self {
            chunk: vec![0; CHUNK].into_boxed_slice(),
            words: Vec::new(),
        }
    }

    /// Reads a file and parses the records that `parsed` does not have yet.
    ///
    /// # Errors
    ///
    /// If the file is malformed, shorter than its records or unreadable. `parsed` then has the records before the damage,
    /// if there are any, which are valid for [`Self::words`]; they must not be kept for the next read.
    pub(crate) fn read(&mut self, file: &File, parsed: &mut Option<ParsedFile>) -> Result<(), SkipReason> {
        let before = parsed.take();
        self.words.clear();
        // The header first, so that a foreign file is not read to its end.
        self.append(file, 0, HEADER_LEN)?;
        let header = ParsedFile::check_header(&self.words)?;
        // Loaded before the length is queried, which then covers everything that these records refer to.
        let committed = ParsedFile::committed(&self.words)?;
        let len = file
            .metadata()
            .map_err(|error| SkipReason::from_error(&error))?
            .len();
        if len > MAX_FILE_LEN {
            return Err(SkipReason::Damaged);
        }
        let len = usize::try_from(len / 8).map_err(|_| SkipReason::Damaged)?;
        self.append(file, HEADER_LEN, len)?;
        let known = before.filter(|before| before.header() == header && before.words <= self.words.len());
        let parsed = match known {
            Some(known) => parsed.insert(known),
            None => parsed.insert(ParsedFile::new(&self.words)?),
        };
        parsed.extend(&self.words, committed)?;
        if self.words.len() < len {
            return Err(SkipReason::Damaged);
        }
        Ok(())
    }

    /// Returns the words of the file that was read last.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        &self.words
    }

    /// Returns the words of the file that was read last, and leaves none.
    pub(crate) fn take_words(&mut self) -> Vec<AtomicU64> {
        std::mem::take(&mut self.words)
    }

    /// Appends the words from `start` to `end`, or to the end of the file if that comes first.
    fn append(&mut self, file: &File, start: usize, end: usize) -> Result<(), SkipReason> {
        let words = end.saturating_sub(start);
        self.words
            .try_reserve_exact(words)
            .map_err(|_| SkipReason::Exhausted)?;
        let (mut offset, end) = (start as u64 * 8, end as u64 * 8);
        while offset < end {
            let len = (end - offset).min(CHUNK as u64) as usize;
            let read = read_at(file, &mut self.chunk[..len], offset)?;
            let (words, _) = self.chunk[..read].as_chunks::<8>();
            let words = words.iter().map(|word| u64::from_ne_bytes(*word));
            self.words.extend(words.map(AtomicU64::new));
            if read < len {
                break;
            }
            offset += read as u64;
        }
        Ok(())
    }
}

/// Fills the buffer; returns less than its length at the end of the file only.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, SkipReason> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(SkipReason::from_error(&error)),
        }
    }
    Ok(filled)
}

/// Returns whether words are those of an archive with a correct checksum.
pub(crate) fn is_valid_archive(parsed: &ParsedFile, words: &[AtomicU64]) -> bool {
    let words = || words.iter().map(|word| word.load(Relaxed));
    parsed.role == FileRole::Archive && words().nth(header::CHECKSUM) == Some(layout::checksum(words()))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering::Relaxed},
        },
        thread,
    };

    use super::*;
    use crate::cells::{MappedWords, PAGE};

    /// Counters are summed from words that their process writes at the same time.
    #[test]
    fn no_word_is_read_in_halves() {
        let path = std::env::temp_dir().join(format!("campanile-recorder-halves-{}", std::process::id()));
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .expect("can be created");
        std::fs::remove_file(&path).expect("can be removed");
        file.set_len(PAGE as u64 * 8).expect("there is space");
        let words = MappedWords::from_file(&file, 0, PAGE).expect("can be mapped");
        let stop = Arc::new(AtomicBool::new(false));
        let writer = {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while !stop.load(Relaxed) {
                    for value in [u64::MAX, 0] {
                        words
                            .as_slice()
                            .iter()
                            .for_each(|word| word.store(value, Relaxed));
                    }
                }
            })
        };
        let mut reader = FileReader::new();
        let mut halves = 0;
        for _ in 0..20_000 {
            reader.words.clear();
            reader.append(&file, 0, PAGE).expect("can be read");
            let words = reader.words.iter().map(|word| word.load(Relaxed));
            halves += words.filter(|word| ![0, u64::MAX].contains(word)).count();
        }
        stop.store(true, Relaxed);
        writer.join().expect("does not panic");
        assert_eq!(halves, 0);
    }
}
