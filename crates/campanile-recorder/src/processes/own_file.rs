//! The file in which this process counts.

use std::{
    fs::File,
    io,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
};

use metrics::Unit;

use crate::{
    Kind,
    buckets::Rules,
    cells::{PAGE, Words},
    memory::Declaration,
    processes::{
        DirectoryError, GaugeMode,
        clock::now,
        default_rules,
        folder::{Folder, Lock},
        layout::{self, CELLS_LEN, CONTINUES_LEN, HEADER, Shape, at},
        new_file::{self, NewFile},
        record::{CellsAt, Declared, Described, Record},
        room::allocate,
    },
};

/// Words of the longest piece of journal that is taken without need.
const LONGEST_PIECE: usize = 16 * PAGE;

/// The file in which this process counts. It is locked for as long as this lives.
#[derive(Debug)]
pub(crate) struct OwnFile {
    name: String,
    lock: Lock,
    /// The first page: the header, and the first of the journal.
    head: Words,
    end: Mutex<End>,
    /// Those that were set.
    modes: Arc<Rules<GaugeMode>>,
    default_modes: Rules<GaugeMode>,
}

/// Where the file goes on.
#[derive(Debug)]
struct End {
    /// The file's length in bytes.
    file: u64,
    /// The journal's last piece; none is the first page.
    piece: Option<Words>,
    /// Words of it that are written.
    written: usize,
    committed: u64,
    /// Words of the piece after.
    next_piece: usize,
}

impl OwnFile {
    /// Makes a file, of one page yet.
    pub(crate) fn make(folder: &Folder, modes: Arc<Rules<GaugeMode>>) -> Result<Self, DirectoryError> {
        let NewFile { name, lock, head } = new_file::make(folder)
            .map_err(|error| DirectoryError::new(folder.path(), "make a file", error))?;
        let end = End {
            file: PAGE as u64 * 8,
            piece: None,
            written: HEADER,
            committed: 0,
            next_piece: PAGE,
        };
        Ok(Self {
            name,
            lock,
            head,
            end: Mutex::new(end),
            modes,
            default_modes: default_rules(),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn file(&self) -> &File {
        self.lock.file()
    }

    /// Makes the words of a block.
    pub(crate) fn words(&self, block: u32, slot: Option<u32>, len: usize) -> io::Result<Words> {
        let end = &mut *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        // First room for the record, without which the words were lost.
        self.make_room(end, CELLS_LEN)?;
        let (words, offset) = self.grow(end, len)?;
        // From here on readers add the words up, so nobody counts there before.
        self.append(
            end,
            &Record::Cells(CellsAt {
                block,
                slot,
                offset,
                len: len as u64,
            }),
        )?;
        Ok(words)
    }

    /// Tells where a series is.
    pub(crate) fn declare(&self, declaration: &Declaration<'_>) -> io::Result<()> {
        let set = self.modes.find(declaration.name);
        let mode = set.or_else(|| self.default_modes.find(declaration.name)).copied();
        let shape = Shape {
            kind: declaration.kind,
            exact: false,
        };
        let (block, first) = declaration.place.position();
        let record = Record::Series(Declared {
            name: declaration.name.into(),
            labels: declaration.labels.clone(),
            shape,
            mode: mode
                .filter(|_| shape.kind == Kind::Gauge)
                .unwrap_or(GaugeMode::Sum),
            since: now(),
            bounds: declaration.bounds.into(),
            block,
            first: u32::try_from(first).map_err(io::Error::other)?,
        });
        let end = &mut *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        self.append(end, &record)
    }

    /// Tells what a metric is.
    pub(crate) fn describe(&self, name: &str, unit: Option<Unit>, help: &str) {
        let record = Record::Description(Described {
            name: name.into(),
            unit,
            help: help.into(),
        });
        let end = &mut *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        // Without room for its help a metric counts all the same.
        let _ = self.append(end, &record);
    }

    /// Counts a registration that found no room.
    pub(crate) fn lose(&self) {
        self.head.as_slice()[at::LOST].fetch_add(1, Relaxed);
    }

    /// Writes a record, and then that it is there.
    fn append(&self, end: &mut End, record: &Record) -> io::Result<()> {
        let record = record.to_words();
        self.make_room(end, record.len())?;
        self.put(end, &record);
        Ok(())
    }

    /// Begins another piece of the journal where a record of so many words finds no room in this one.
    fn make_room(&self, end: &mut End, record: usize) -> io::Result<()> {
        let piece = end.piece.as_ref().unwrap_or(&self.head).as_slice();
        // There is always room left to say where it goes on.
        if end.written + record + CONTINUES_LEN > piece.len() {
            let len = end
                .next_piece
                .max((record + CONTINUES_LEN).next_multiple_of(PAGE));
            let (words, offset) = self.grow(end, len)?;
            let goes_on = Record::Continues {
                offset,
                len: len as u64,
            };
            self.put(end, &goes_on.to_words());
            end.piece = Some(words);
            end.written = 0;
            end.next_piece = (len * 2).min(LONGEST_PIECE);
        }
        Ok(())
    }

    fn put(&self, end: &mut End, record: &[u64]) {
        let piece = end.piece.as_ref().unwrap_or(&self.head).as_slice();
        end.committed += record.len() as u64;
        layout::publish(self.head.as_slice(), &piece[end.written..], record, end.committed);
        end.written += record.len();
    }

    /// Makes the file longer by so many words, and maps them.
    fn grow(&self, end: &mut End, len: usize) -> io::Result<(Words, u64)> {
        let bytes = len.next_multiple_of(PAGE) as u64 * 8;
        allocate(self.file(), end.file, bytes)?;
        let words = Words::of_file(self.file(), end.file, len)?;
        let offset = end.file / 8;
        end.file += bytes;
        Ok((words, offset))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::process::{Resource, getrlimit, setrlimit};

    use super::*;

    /// The variable that tells a child where its file is to be.
    const DIRECTORY: &str = "CAMPANILE_RECORDER_OWN_FILE";

    #[test]
    fn words_whose_record_finds_no_room_are_not_taken() {
        let path = std::env::temp_dir().join(format!("campanile-recorder-room-{}", std::process::id()));
        let output = Command::new(std::env::current_exe().expect("knows its own path"))
            .args([
                "processes::own_file::tests::grows_as_a_child",
                "--exact",
                "--nocapture",
            ])
            .env(DIRECTORY, &path)
            .output()
            .expect("starts this program again");
        assert!(output.status.success(), "{output:?}");
        std::fs::remove_dir_all(&path).expect("the child has made it");
    }

    /// The child: its limit holds for the whole process.
    #[test]
    fn grows_as_a_child() {
        let Some(path) = std::env::var_os(DIRECTORY) else {
            return;
        };
        let folder = Folder::open(path.as_ref()).expect("opens");
        let own = OwnFile::make(&folder, Arc::default()).expect("has room");
        let written = || own.end.lock().expect("nobody panics").written;
        // A description so short is as long as a record of cells.
        while PAGE - written() >= CELLS_LEN + CONTINUES_LEN {
            own.describe("a", None, "");
        }
        let mut limit = getrlimit(Resource::Fsize);
        // For four pages behind the first.
        limit.current = Some(5 * PAGE as u64 * 8);
        setrlimit(Resource::Fsize, limit).expect("is lower");
        for _ in 0..3 {
            let error = own.words(0, None, 4 * PAGE);
            assert!(error.is_err(), "the record needs a page, too");
        }
        own.words(0, None, 3 * PAGE)
            .expect("nothing was taken but a page for records");
    }
}
