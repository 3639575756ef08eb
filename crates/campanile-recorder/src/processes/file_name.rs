//! How files are named.

use std::{
    fmt::Write,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::processes::{clock::now, layout::MAJOR};

/// What all names begin with, the major version behind it.
const BEGIN: &str = "campanile-";
/// What the name of a process's file ends with.
const CELLS: &str = ".cells";
/// What a name has behind its own end until the file is whole.
const NEW: &str = ".new";

/// What a name says of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// A process counts in it, or counted.
    Process,
    /// Somebody is making it, or died over it.
    NewProcess,
    /// A process of another major version has it.
    OtherVersion,
    /// Nothing of ours, or no process's.
    Other,
}

impl Named {
    pub(crate) fn of(name: &str) -> Self {
        let Some((major, rest)) = name
            .strip_prefix(BEGIN)
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

/// A name that no file has had: `campanile-1-<pid>-<random>.cells`.
pub(crate) fn of_process(pid: u32) -> String {
    of_process_by(&RandomState::new(), pid)
}

fn of_process_by(keys: &RandomState, pid: u32) -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    // The keys are the system's, but those who were forked from one process have the same, and a pid comes again.
    let random = keys.hash_one((now(), MADE.fetch_add(1, Relaxed)));
    let mut name = format!("{BEGIN}{MAJOR}-{pid}-");
    write!(name, "{random:016x}{CELLS}").expect("writing to a string cannot fail");
    name
}

/// The name of a file until it is whole.
pub(crate) fn new(name: &str) -> String {
    format!("{name}{NEW}")
}

/// The counts of processes that are gone.
pub(crate) fn archive() -> String {
    format!("{BEGIN}{MAJOR}.archive")
}

/// An archive that could not be read, set aside.
pub(crate) fn damaged_archive() -> String {
    format!("{BEGIN}{MAJOR}.archive.damaged")
}

/// Held while files are folded into the archive.
pub(crate) fn fold_lock() -> String {
    format!("{BEGIN}{MAJOR}.lock")
}

/// Held by whoever writes what the kernel owns. Not of a version: all of them share the kernel.
pub(crate) const WRITER_LOCK: &str = "campanile.writer";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_forked_with_the_same_keys_has_another_name() {
        let keys = RandomState::new();
        assert_ne!(of_process_by(&keys, 7), of_process_by(&keys, 7));
    }

    #[test]
    fn names_tell_what_files_are() {
        let name = of_process(7);
        assert!(name.starts_with("campanile-1-7-"), "{name}");
        assert_ne!(name, of_process(7));
        for (name, named) in [
            (&*name, Named::Process),
            (&*new(&name), Named::NewProcess),
            ("campanile-2-7-00.cells", Named::OtherVersion),
            ("campanile-x-7-00.cells", Named::Other),
            (&*archive(), Named::Other),
            (&*new(&archive()), Named::Other),
            ("campanile-2.archive", Named::Other),
            (&*fold_lock(), Named::Other),
            (WRITER_LOCK, Named::Other),
            ("README", Named::Other),
        ] {
            assert_eq!(Named::of(name), named, "{name}");
        }
    }
}
