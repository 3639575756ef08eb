//! Metrics of many processes that share a directory, each with a file of its own.
//!
//! # The files
//!
//! | name | contents |
//! |---|---|
//! | `campanile-1-<pid>-<random>.cells` | the cells of one process, locked while the process is alive |
//! | the same with `.new` appended | a process file under construction |
//! | `campanile-1.archive` | the totals of processes that have exited |
//! | `campanile-1.lock` | locked while the archive is rewritten |
//! | `campanile.writer` | locked by the process that writes gauges of kernel state |
//!
//! A process is alive while its file is locked (`flock`). The kernel releases the lock however the process ends, so
//! SIGKILL, reused pids and pid namespaces are all handled.
//!
//! # The layout of a file
//!
//! 64-bit words in native byte order. A file grows at its end and never shrinks. Disk space for a range is allocated
//! before the range is mapped, and before a record refers to it.
//!
//! | word | contents |
//! |---|---|
//! | 0 | `campcell`, which reads differently in another byte order |
//! | 1 | minor version in the low half, major version in the high half |
//! | 2 | role: 1 process file, 2 archive |
//! | 3, 4 | pid; start time in nanoseconds since 1970 |
//! | 5 | first segment of the journal: its first word, its length in the high half |
//! | 6 | number of journal words that may be read, stored after the words themselves |
//! | 7 | archive only: FNV-1a of all other words |
//! | 8 | registrations lost for lack of space, if not even a series that counts them could be allocated |
//! | 9 to 15 | reserved |
//!
//! The journal is a chain of segments filled with records. A record starts with a head word: its kind, and its length
//! in words in the high half. Records of unknown kinds are skipped, so that a later minor version can add some.
//!
//! | kind | words after the head |
//! |---|---|
//! | 1 next segment | first word, length |
//! | 2 cells | block, thread slot in the high half (all ones: shared); first word; length |
//! | 3 series | shape, gauge mode in the second byte; block, first word in it in the high half; nanoseconds since 1970; length of the name, of the labels in the high half; number of bounds; name; labels; bounds |
//! | 4 description | length of the name, of the help in the high half; length of the unit; name; help; unit |
//! | 5 archived file | length; name of a file whose counts are in this archive |
//!
//! | shape | words |
//! |---|---|
//! | 1 counter | the count |
//! | 2 gauge | a float |
//! | 3 histogram | a count per bucket, the sum as a float |
//! | 4 histogram in the archive | a count per bucket, the exact sum in four words |
//!
//! # Modules
//!
//! [`process_file`] creates and writes the file of this process; [`parser`] parses the words of a file without side
//! effects; [`file_reader`] reads a file by `pread`; [`scan`] reads all files consistently; [`totals`] sums them;
//! [`compact`] moves the counts of exited processes to the [`archive`].

mod allocate;
mod archive;
mod compact;
#[cfg(test)]
mod compaction_tests;
mod dir;
mod failpoints;
mod family_totals;
mod file_lock;
mod file_name;
mod file_reader;
mod layout;
#[cfg(all(test, campanile_loom))]
mod loom_tests;
mod parser;
mod process_file;
mod record;
#[cfg(any(test, fuzzing))]
pub(crate) mod replay;
mod scan;
mod series_totals;
mod shared_directory;
mod totals;

pub(crate) use self::{process_file::ProcessFile, shared_directory::SharedDirectory};
