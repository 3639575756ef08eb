//! Compaction: moves the counts of exited processes into the archive, exactly once even if the process that does it dies.
//!
//! | step | if the process dies after it |
//! |---|---|
//! | take the lock | the kernel releases it |
//! | remove process files that the archive lists | their counts are in the archive |
//! | write the new archive to a temporary file and sync it | the next compaction overwrites it |
//! | rename it over the old archive | the archive lists the files, so no reader counts them, and the next compaction removes them |
//! | remove the files | done |

use std::{fs::File, io, io::Write};

use crate::{
    Labels, names,
    processes::{
        allocate::allocate,
        archive,
        dir::Dir,
        failpoints::failpoint,
        file_lock::{FileLock, is_locked},
        file_name::{self, FileKind},
        layout::{MAX_FILE_LEN, unix_nanos},
        parser::SkipReason,
        scan::DirectoryScan,
    },
};

/// Compacts the directory that `scan` has just read under the lock, and returns whether its files changed.
///
/// # Errors
///
/// If the new archive cannot be written. All counts then stay where they were.
pub(crate) fn compact(
    dir: &Dir,
    scan: &DirectoryScan,
    series_limit: usize,
    _lock: &FileLock,
) -> io::Result<bool> {
    failpoint("locked");
    remove_abandoned_files(dir, scan);
    match scan.archive.skip_reason() {
        None if scan.archive.is_fully_known() => {}
        Some(SkipReason::Damaged | SkipReason::Foreign) => {
            // Moved out of the way, so that the next compaction starts a new one.
            dir.rename(&file_name::archive(), &file_name::damaged_archive())?;
            return Ok(true);
        }
        // Only a later version may rewrite it.
        _ => return Ok(false),
    }
    let mut listed = Vec::new();
    let leftovers = scan.file_names.iter().filter(|name| {
        // Whatever an archive lists, only process files of this user are removed.
        scan.is_archived(name) && FileKind::from_name(name) == FileKind::Process && dir.has_own_file(name)
    });
    for name in leftovers {
        if dir.remove(name).is_err() {
            listed.push(name.clone());
        }
        failpoint("leftover removed");
    }
    let (mut totals, exited) = scan.exited_totals(dir);
    if exited.is_empty() {
        return Ok(false);
    }
    let archived = totals.family(&names::ARCHIVED_PROCESSES.name.into());
    archived.unit = names::ARCHIVED_PROCESSES.unit;
    archived.help = Some(names::ARCHIVED_PROCESSES.help.into());
    archived.add_counter(&Labels::new([]), unix_nanos(), exited.len() as u64);
    listed.extend(exited.iter().cloned());
    let words = archive::encode(totals, &listed, series_limit);

    let (name, temporary) = (file_name::archive(), file_name::temporary(&file_name::archive()));
    // Under the lock, a file of this name was left by a process that died.
    dir.remove(&temporary)?;
    let written = dir.create_new(&temporary).and_then(|file| write(file, &words));
    failpoint("archive on disk");
    if let Err(error) = written.and_then(|()| dir.rename(&temporary, &name)) {
        let _ = dir.remove(&temporary);
        return Err(error);
    }
    failpoint("archive renamed");
    dir.sync()?;
    for name in &exited {
        // A file that cannot be removed is listed in the archive.
        let _ = dir.remove(name);
        failpoint("file removed");
    }
    Ok(true)
}

fn write(file: File, words: &[u64]) -> io::Result<()> {
    failpoint("archive created");
    let len = words.len() as u64 * 8;
    if len > MAX_FILE_LEN {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    allocate(&file, 0, len)?;
    let mut out = io::BufWriter::new(file);
    for word in words {
        out.write_all(&word.to_ne_bytes())?;
    }
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    failpoint("archive written");
    file.sync_data()
}

/// Removes unfinished process files whose creators died. A live creator holds the lock of its file, or is about to take
/// it and starts over when the file is gone.
fn remove_abandoned_files(dir: &Dir, scan: &DirectoryScan) {
    let unfinished = scan
        .file_names
        .iter()
        .filter(|name| FileKind::from_name(name) == FileKind::NewProcess);
    for name in unfinished {
        let locked = dir.open_read(name).and_then(|file| is_locked(&file));
        if matches!(locked, Ok(false)) {
            // Harmless if it stays; the next compaction tries again.
            let _ = dir.remove(name);
        }
    }
}
