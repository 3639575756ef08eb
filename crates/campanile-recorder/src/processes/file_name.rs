//! The names of the files in a shared directory.

use std::{
    fmt::Write,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::processes::layout::{MAJOR, unix_nanos};

/// The beginning of every name, before the major version.
const PREFIX: &str = "campanile-";
/// The suffix of process files.
const CELLS: &str = ".cells";
/// The suffix of files under construction.
const NEW: &str = ".new";

/// What the name of a file says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// The file of a process, alive or not.
    Process,
    /// A process file that is not finished, perhaps abandoned.
    NewProcess,
    /// The process file of another major version.
    OtherVersion,
    /// Any other file.
    Other,
}

impl FileKind {
    pub(crate) fn from_name(name: &str) -> Self {
        let Some((major, rest)) = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once(['-', '.']))
        else {
            return Self::Other;
        };
        match (major.parse::<u32>(), rest) {
            (Ok(MAJOR), rest) if rest.ends_with(CELLS) => Self::Process,
            (Ok(MAJOR), rest) if rest.strip_suffix(NEW).is_some_and(|rest| rest.ends_with(CELLS)) => {
                Self::NewProcess
            }
            (Ok(_), rest) if rest.ends_with(CELLS) => Self::OtherVersion,
            _ => Self::Other,
        }
    }
}

/// Returns a unique name for a process file: `campanile-1-<pid>-<random>.cells`.
pub(crate) fn process_file(pid: u32) -> String {
    process_file_with_keys(&RandomState::new(), pid)
}

fn process_file_with_keys(keys: &RandomState, pid: u32) -> String {
    static CREATED: AtomicU64 = AtomicU64::new(0);
    // Processes forked from one parent share the keys, and pids are reused.
    let random = keys.hash_one((unix_nanos(), CREATED.fetch_add(1, Relaxed)));
    let mut name = format!("{PREFIX}{MAJOR}-{pid}-");
    write!(name, "{random:016x}{CELLS}").expect("writing to a string cannot fail");
    name
}

/// Returns the name of a file while it is under construction.
pub(crate) fn temporary(name: &str) -> String {
    format!("{name}{NEW}")
}

/// Returns the name of the archive.
pub(crate) fn archive() -> String {
    format!("{PREFIX}{MAJOR}.archive")
}

/// Returns the name to which a damaged archive is moved.
pub(crate) fn damaged_archive() -> String {
    format!("{PREFIX}{MAJOR}.archive.damaged")
}

/// Returns the name of the lock that is held during compaction.
pub(crate) fn archive_lock() -> String {
    format!("{PREFIX}{MAJOR}.lock")
}

/// The lock of the process that writes gauges of kernel state. Without a version: all versions share the kernel.
pub(crate) const WRITER_LOCK: &str = "campanile.writer";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forked_processes_with_the_same_keys_get_different_names() {
        let keys = RandomState::new();
        assert_ne!(process_file_with_keys(&keys, 7), process_file_with_keys(&keys, 7));
    }

    #[test]
    fn file_kinds_are_recognised_by_name() {
        let name = process_file(7);
        assert!(name.starts_with("campanile-1-7-"), "{name}");
        assert_ne!(name, process_file(7));
        for (name, kind) in [
            (&*name, FileKind::Process),
            (&*temporary(&name), FileKind::NewProcess),
            ("campanile-2-7-00.cells", FileKind::OtherVersion),
            ("campanile-x-7-00.cells", FileKind::Other),
            (&*archive(), FileKind::Other),
            (&*temporary(&archive()), FileKind::Other),
            ("campanile-2.archive", FileKind::Other),
            (&*archive_lock(), FileKind::Other),
            (WRITER_LOCK, FileKind::Other),
            ("README", FileKind::Other),
        ] {
            assert_eq!(FileKind::from_name(name), kind, "{name}");
        }
    }
}
