//! The file in which this process records.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            Ordering::{Acquire, Relaxed, Release},
            fence,
        },
    },
};

use metrics::Unit;

use crate::{
    DirectoryError, GaugeMode, MetricKind,
    cells::{MappedWords, PAGE},
    directory_error::CREATE_FILE,
    matcher::MatchRules,
    processes::{
        allocate::allocate,
        dir::{Dir, FileId},
        failpoints::failpoint,
        file_lock::FileLock,
        file_name,
        layout::{
            self, CELLS_LEN, FileRole, HEADER_LEN, MAGIC, MAX_FILE_LEN, NEXT_SEGMENT_LEN, SeriesShape,
            VERSION, header, unix_nanos,
        },
        record::{CellsRecord, DescriptionRecord, Record, SeriesRecord},
    },
    storage::SeriesDeclaration,
};

/// How many names are tried for a new file. An attempt fails if another process checks or removes the file in the meantime.
const ATTEMPTS: usize = 100;

/// Words in the longest journal segment, unless one record needs more.
const MAX_SEGMENT: usize = 16 * PAGE;

/// The file in which this process records, locked until it is dropped.
#[derive(Debug)]
pub(crate) struct ProcessFile {
    /// Where other processes find the counts.
    published: Mutex<PublishedFile>,
    lock: FileLock,
    /// The first page: the header and the first segment of the journal.
    head: MappedWords,
    end: Mutex<FileEnd>,
    /// The gauge modes that the application set.
    modes: Arc<MatchRules<GaugeMode>>,
    default_modes: MatchRules<GaugeMode>,
}

/// The file that other processes read.
#[derive(Debug)]
struct PublishedFile {
    name: Arc<str>,
    /// A copy of the mapped file, made when that was removed: a file without a name cannot get another.
    copy: Option<FileLock>,
}

/// Where the file and its journal are appended to.
#[derive(Debug)]
struct FileEnd {
    /// Length of the file in bytes.
    len: u64,
    /// The last segment of the journal; `None` while that is the first page.
    segment: Option<MappedWords>,
    /// Words written in that segment.
    written: usize,
    committed: u64,
    /// Length of the next segment in words.
    next_segment: usize,
    /// A copy of the journal, to write it again if the file was cut.
    journal: Vec<JournalSegment>,
}

/// A copy of a segment of the journal.
#[derive(Debug)]
struct JournalSegment {
    /// In words from the beginning of the file.
    offset: u64,
    words: Vec<u64>,
}

/// What was wrong with the file of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restored {
    /// Nothing.
    Unchanged,
    /// Its name was gone or belonged to another file. It has another name now, and all counts.
    Removed,
    /// It was shorter than before. Counts beyond the new end began again at zero.
    Cut,
}

impl ProcessFile {
    /// Creates a file of one page.
    pub(crate) fn create(dir: &Dir, modes: Arc<MatchRules<GaugeMode>>) -> Result<Self, DirectoryError> {
        let error = |source: io::Error| DirectoryError::new(dir.path(), CREATE_FILE, source);
        for _ in 0..ATTEMPTS {
            let name = file_name::process_file(std::process::id());
            if let Some((lock, head)) = try_create(dir, &name, initialise).map_err(error)? {
                return Ok(Self {
                    published: Mutex::new(PublishedFile {
                        name: name.into(),
                        copy: None,
                    }),
                    lock,
                    head,
                    end: Mutex::new(FileEnd {
                        len: PAGE as u64 * 8,
                        segment: None,
                        written: HEADER_LEN,
                        committed: 0,
                        next_segment: PAGE,
                        journal: vec![JournalSegment {
                            offset: HEADER_LEN as u64,
                            words: Vec::new(),
                        }],
                    }),
                    modes,
                    default_modes: GaugeMode::default_rules(),
                });
            }
        }
        Err(error(io::ErrorKind::ResourceBusy.into()))
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.published().name)
    }

    pub(crate) fn has_name(&self, name: &str) -> bool {
        *self.published().name == *name
    }

    /// Makes the file again if other processes no longer find it, or as long again as it was.
    ///
    /// From then on this must be called repeatedly: other processes see the counts of the last call.
    ///
    /// # Errors
    ///
    /// If the file cannot be made; the next call tries again.
    pub(crate) fn restore(&self, dir: &Dir) -> io::Result<Restored> {
        if self.restore_length()? {
            return Ok(Restored::Cut);
        }
        let published = &mut *self.published();
        let file = published
            .copy
            .as_ref()
            .map_or_else(|| self.file(), FileLock::file);
        if dir.file_id(&published.name)? == Some(FileId::from_file(file)?) {
            if let Some(copy) = &published.copy {
                self.copy_to(copy.file())?;
            }
            return Ok(Restored::Unchanged);
        }
        for _ in 0..ATTEMPTS {
            let name = file_name::process_file(std::process::id());
            if let Some((copy, ())) = try_create(dir, &name, |file| self.copy_to(file))? {
                *published = PublishedFile {
                    name: name.into(),
                    copy: Some(copy),
                };
                return Ok(Restored::Removed);
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Extends the file if it was cut, and writes its header and journal again. Until then a thread that records in the
    /// missing part ends the process by SIGBUS.
    fn restore_length(&self) -> io::Result<bool> {
        let end = self.end();
        let len = self.file().metadata()?.len();
        if len >= end.len {
            return Ok(false);
        }
        allocate(self.file(), len, end.len - len)?;
        write_header(&self.head);
        for segment in &end.journal {
            let bytes: Vec<u8> = segment.words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            self.file().write_all_at(&bytes, segment.offset * 8)?;
        }
        self.head.as_slice()[header::COMMITTED].store(end.committed, Release);
        Ok(true)
    }

    /// Copies the mapped file, so that a reader finds a valid file at any time.
    fn copy_to(&self, copy: &File) -> io::Result<()> {
        const HEADER: usize = HEADER_LEN * 8;
        let mut header = [0; HEADER];
        // The number of journal words is read before the journal, and written after it.
        self.file().read_exact_at(&mut header, 0)?;
        fence(Acquire);
        let len = self.file().metadata()?.len();
        let present = copy.metadata()?.len();
        if len > present {
            allocate(copy, present, len - present)?;
        }
        let mut chunk = vec![0; 16 * PAGE * 8];
        let mut offset = HEADER as u64;
        while offset < len {
            let chunk = &mut chunk[..(len - offset).min(16 * PAGE as u64 * 8) as usize];
            self.file().read_exact_at(chunk, offset)?;
            copy.write_all_at(chunk, offset)?;
            offset += chunk.len() as u64;
        }
        copy.write_all_at(&header, 0)
    }

    fn published(&self) -> MutexGuard<'_, PublishedFile> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn file(&self) -> &File {
        self.lock.file()
    }

    /// Allocates and maps the words of a block for a thread slot, or the shared ones for `None`.
    pub(crate) fn map_block(&self, block: u32, slot: Option<u32>, len: usize) -> io::Result<MappedWords> {
        let end = &mut *self.end();
        // Space for the record first, without which the words would be lost.
        self.reserve_journal(end, CELLS_LEN)?;
        let (words, offset) = self.grow(end, len)?;
        // Readers sum the words once the record is published, so no thread may record there before.
        self.append(
            end,
            &Record::Cells(CellsRecord {
                block,
                slot,
                offset,
                len: len as u64,
            }),
        )?;
        Ok(words)
    }

    /// Publishes where the cells of a series are.
    pub(crate) fn declare(&self, declaration: &SeriesDeclaration<'_>) -> io::Result<()> {
        let mode = match declaration.kind {
            MetricKind::Gauge => {
                let set = self.modes.find(declaration.name);
                set.or_else(|| self.default_modes.find(declaration.name)).copied()
            }
            MetricKind::Counter | MetricKind::Histogram => None,
        };
        let (block, first) = declaration.cells.position();
        let record = Record::Series(SeriesRecord {
            name: declaration.name.into(),
            labels: declaration.labels.clone(),
            shape: SeriesShape {
                kind: declaration.kind,
                exact: false,
            },
            mode: mode.unwrap_or(GaugeMode::Sum),
            since: unix_nanos(),
            bounds: declaration.bounds.into(),
            block,
            first: u32::try_from(first).map_err(io::Error::other)?,
        });
        self.append(&mut self.end(), &record)
    }

    /// Publishes the unit and help of a metric.
    pub(crate) fn describe(&self, name: &str, unit: Option<Unit>, help: &str) {
        let record = Record::Description(DescriptionRecord {
            name: name.into(),
            unit,
            help: help.into(),
        });
        // Without space for its help a metric is still recorded.
        let _ = self.append(&mut self.end(), &record);
    }

    /// Counts a registration for which there was no space, not even for a series that counts it.
    pub(crate) fn count_lost_registration(&self) {
        self.head.as_slice()[header::LOST].fetch_add(1, Relaxed);
    }

    fn append(&self, end: &mut FileEnd, record: &Record) -> io::Result<()> {
        let record = record.to_words();
        self.reserve_journal(end, record.len())?;
        self.publish(end, &record);
        Ok(())
    }

    /// Starts another segment if a record of `len` words does not fit into the current one.
    fn reserve_journal(&self, end: &mut FileEnd, len: usize) -> io::Result<()> {
        // Each segment keeps space for the record that points to the next one.
        let needed = len + NEXT_SEGMENT_LEN;
        if end.written + needed > self.segment(end).len() {
            let len = end.next_segment.max(needed.next_multiple_of(PAGE));
            let (words, offset) = self.grow(end, len)?;
            let next = Record::NextSegment {
                offset,
                len: len as u64,
            };
            self.publish(end, &next.to_words());
            end.segment = Some(words);
            end.journal.push(JournalSegment {
                offset,
                words: Vec::new(),
            });
            end.written = 0;
            end.next_segment = (len * 2).min(MAX_SEGMENT);
        }
        Ok(())
    }

    fn publish(&self, end: &mut FileEnd, record: &[u64]) {
        end.committed += record.len() as u64;
        let journal = &self.segment(end)[end.written..];
        layout::publish(self.head.as_slice(), journal, record, end.committed);
        end.written += record.len();
        if let Some(segment) = end.journal.last_mut() {
            segment.words.extend(record);
        }
    }

    fn segment<'a>(&'a self, end: &'a FileEnd) -> &'a [std::sync::atomic::AtomicU64] {
        end.segment.as_ref().unwrap_or(&self.head).as_slice()
    }

    /// Extends the file by `len` words and maps them.
    fn grow(&self, end: &mut FileEnd, len: usize) -> io::Result<(MappedWords, u64)> {
        let bytes = len.next_multiple_of(PAGE) as u64 * 8;
        // No process reads a longer file.
        if end.len + bytes > MAX_FILE_LEN {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        allocate(self.file(), end.len, bytes)?;
        let words = MappedWords::from_file(self.file(), end.len, len)?;
        let offset = end.len / 8;
        end.len += bytes;
        Ok((words, offset))
    }

    fn end(&self) -> MutexGuard<'_, FileEnd> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ProcessFile {
    fn drop(&mut self) {
        // A forked child sees the counts of its parent, and must leave them alone.
        if let Some(copy) = &self.published().copy
            && copy.is_own()
        {
            let _ = self.copy_to(copy.file());
        }
    }
}

/// Creates, locks and initialises a file under a temporary name, then renames it, so that readers only see locked and
/// valid files. Returns `None` if another process interfered.
fn try_create<T>(
    dir: &Dir,
    name: &str,
    initialise: impl FnOnce(&File) -> io::Result<T>,
) -> io::Result<Option<(FileLock, T)>> {
    let temporary = file_name::temporary(name);
    let file = dir.create_new(&temporary)?;
    failpoint("process file created");
    let create = || {
        // A compacting process checks the lock, and removes the file if it is free.
        let Some(lock) = FileLock::try_new(file)? else {
            return Ok(None);
        };
        let file = lock.file();
        failpoint("process file locked");
        let initialised = initialise(file)?;
        failpoint("process file written");
        match dir.rename_new(&temporary, name) {
            Ok(()) => Ok(Some((lock, initialised))),
            // It was removed, or the name belongs to another file, whose counts must stay.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    };
    let created = create();
    if !matches!(created, Ok(Some(_))) {
        // Harmless if it stays: the next compaction removes it.
        let _ = dir.remove(&temporary);
    }
    created
}

/// Allocates the first page and writes the header.
fn initialise(file: &File) -> io::Result<MappedWords> {
    allocate(file, 0, PAGE as u64 * 8)?;
    let head = MappedWords::from_file(file, 0, PAGE)?;
    write_header(&head);
    Ok(head)
}

fn write_header(head: &MappedWords) {
    for (index, value) in [
        (header::MAGIC, MAGIC),
        (header::VERSION, VERSION),
        (header::ROLE, FileRole::Process.code()),
        (header::PID, std::process::id().into()),
        (header::STARTED, unix_nanos()),
        (
            header::JOURNAL,
            layout::join(HEADER_LEN as u32, (PAGE - HEADER_LEN) as u32),
        ),
    ] {
        head.as_slice()[index].store(value, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Resource, getrlimit, setrlimit};

    use super::*;

    /// The environment variable with the directory of the child.
    const DIRECTORY: &str = "CAMPANILE_RECORDER_PROCESS_FILE";

    #[test]
    fn no_words_are_allocated_without_space_for_their_record() {
        let path = std::env::temp_dir().join(format!("campanile-recorder-room-{}", std::process::id()));
        let output = Command::new(std::env::current_exe().expect("has a path"))
            .args([
                "processes::process_file::tests::child_grows_its_file_up_to_a_limit",
                "--exact",
                "--nocapture",
            ])
            .env(DIRECTORY, &path)
            .output()
            .expect("starts this program again");
        assert!(output.status.success(), "{output:?}");
        std::fs::remove_dir_all(&path).expect("the child created it");
    }

    /// Run in a child, since the limit holds for the whole process.
    #[test]
    fn child_grows_its_file_up_to_a_limit() {
        let Some(path) = std::env::var_os(DIRECTORY) else {
            return;
        };
        let dir = Dir::open(path.as_ref()).expect("opens");
        let file = ProcessFile::create(&dir, Arc::default()).expect("there is space");
        let written = || file.end().written;
        // So short a description is as long as a record of cells.
        while PAGE - written() >= CELLS_LEN + NEXT_SEGMENT_LEN {
            file.describe("a", None, "");
        }
        let mut limit = getrlimit(Resource::Fsize);
        // Four pages after the first.
        limit.current = Some(5 * PAGE as u64 * 8);
        setrlimit(Resource::Fsize, limit).expect("the limit is lower");
        for _ in 0..3 {
            let error = file.map_block(0, None, 4 * PAGE);
            assert!(error.is_err(), "the record needs a page, too");
        }
        file.map_block(0, None, 3 * PAGE)
            .expect("only a page for records was allocated");
    }
}
