//! Moves the counts of the dead into the archive, each exactly once, whenever the mover itself dies.
//!
//! | step | if the process dies behind it |
//! |---|---|
//! | take the lock | the kernel gives it back |
//! | remove what the archive names | it is gone, and was counted in the archive |
//! | write the new archive beside the old one, and wait for the disk | it is written anew by the next |
//! | put it in the place of the old one | the files are in the archive, which names them: nobody counts them, the next removes them |
//! | remove the files | done |

use std::{fs::File, io, io::Write};

use crate::{
    Labels, names,
    processes::{
        archive,
        clock::now,
        contents::Unread,
        file_name,
        file_name::Named,
        folder::{Folder, Lock, is_owned},
        moments,
        room::allocate,
        scan::Scan,
    },
};

/// Folds whatever there is to fold. `scan` has just looked, under the lock.
///
/// # Errors
///
/// Where the new archive could not be written: then everything is as it was.
pub(crate) fn fold(folder: &Folder, scan: &Scan, limit: usize, _lock: &Lock) -> io::Result<bool> {
    moments::reached("locked");
    remove_new_files_of_the_dead(folder, scan);
    match scan.archive.unread() {
        None if scan.archive.is_known() => {}
        Some(Unread::Damaged) => {
            // Set aside, so that the next fold begins a new one.
            folder.rename(&file_name::archive(), &file_name::damaged_archive())?;
            return Ok(true);
        }
        // A later version's to write.
        _ => return Ok(false),
    }
    let mut left = Vec::new();
    for name in scan.names.iter().filter(|name| scan.is_folded(name)) {
        if folder.remove(name).is_err() {
            left.push(name.clone());
        }
        moments::reached("leftover removed");
    }
    let dead: Vec<String> = scan.dead().map(|(name, _)| name.clone()).collect();
    if dead.is_empty() {
        return Ok(false);
    }
    let mut totals = scan.dead_totals();
    let folded = totals.family(&names::FOLDED.name.into());
    folded.unit = names::FOLDED.unit;
    folded.help = Some(names::FOLDED.help.into());
    folded.add_counter(&Labels::new([]), now(), dead.len() as u64);
    left.extend(dead.iter().cloned());
    let words = archive::to_words(totals, &left, limit);

    let (name, new) = (file_name::archive(), file_name::new(&file_name::archive()));
    // Who holds the lock finds only what a dead one left.
    folder.remove(&new)?;
    let written = folder.make(&new).and_then(|file| write(file, &words));
    moments::reached("archive on disk");
    if let Err(error) = written.and_then(|()| folder.rename(&new, &name)) {
        let _ = folder.remove(&new);
        return Err(error);
    }
    moments::reached("archive renamed");
    folder.sync()?;
    for name in &dead {
        // What stays is named in the archive.
        let _ = folder.remove(name);
        moments::reached("file removed");
    }
    Ok(true)
}

fn write(file: File, words: &[u64]) -> io::Result<()> {
    moments::reached("archive begun");
    allocate(&file, 0, words.len() as u64 * 8)?;
    let mut out = io::BufWriter::new(file);
    for word in words {
        out.write_all(&word.to_ne_bytes())?;
    }
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    moments::reached("archive written");
    file.sync_data()
}

/// Removes files that somebody began to make and did not finish. A maker that is alive owns its file, or is about to
/// and makes another when it finds that it cannot.
fn remove_new_files_of_the_dead(folder: &Folder, scan: &Scan) {
    for name in scan
        .names
        .iter()
        .filter(|name| Named::of(name) == Named::NewProcess)
    {
        let owned = folder.read(name).and_then(|file| is_owned(&file));
        if matches!(owned, Ok(false)) {
            // It is in nobody's way; the next removes it.
            let _ = folder.remove(name);
        }
    }
}
