//! Makes the file of a process. Nobody sees it by its name before it is locked and can be read.

use std::{io, sync::atomic::Ordering::Relaxed};

use crate::{
    cells::{PAGE, Words},
    processes::{
        clock::now,
        file_name,
        folder::{Folder, Lock},
        layout::{self, HEADER, MAGIC, Role, VERSION, at},
        moments,
        room::allocate,
    },
};

/// How often a name is tried anew, because somebody was looking at the file or took it for a dead one's.
const ATTEMPTS: usize = 100;

/// A file of one page.
#[derive(Debug)]
pub(crate) struct NewFile {
    pub(crate) name: String,
    pub(crate) lock: Lock,
    /// The page: the header, and no journal yet.
    pub(crate) head: Words,
}

/// Makes a file.
pub(crate) fn make(folder: &Folder) -> io::Result<NewFile> {
    for _ in 0..ATTEMPTS {
        let name = file_name::of_process(std::process::id());
        if let Some((lock, head)) = try_make(folder, &name)? {
            return Ok(NewFile { name, lock, head });
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Makes a file of one page; nothing if somebody came between.
fn try_make(folder: &Folder, name: &str) -> io::Result<Option<(Lock, Words)>> {
    let new = file_name::new(name);
    let file = folder.make(&new)?;
    moments::reached("process file made");
    let made = || {
        // Others look whether it is owned, and remove it if it is not: then there is nothing to rename.
        let Some(lock) = Lock::try_new(file)? else {
            return Ok(None);
        };
        let file = lock.file();
        moments::reached("process file locked");
        allocate(file, 0, PAGE as u64 * 8)?;
        let head = Words::of_file(file, 0, PAGE)?;
        for (index, value) in [
            (at::MAGIC, MAGIC),
            (at::VERSION, VERSION),
            (at::ROLE, Role::Process.code()),
            (at::PID, std::process::id().into()),
            (at::STARTED, now()),
            (at::JOURNAL, layout::join(HEADER as u32, (PAGE - HEADER) as u32)),
        ] {
            head.as_slice()[index].store(value, Relaxed);
        }
        moments::reached("process file written");
        match folder.rename_new(&new, name) {
            // Gone, or the name is another's, whose counts must stay.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
                ) =>
            {
                Ok(None)
            }
            renamed => renamed.map(|()| Some((lock, head))),
        }
    };
    let made = made();
    if !matches!(made, Ok(Some(_))) {
        // Nothing is lost if it stays: the next fold removes it.
        let _ = folder.remove(&new);
    }
    made
}
