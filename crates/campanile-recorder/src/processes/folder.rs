//! A directory and what is done in it, by names that hold also when it is moved.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags},
    io::Errno,
};

use crate::processes::{DirectoryError, file_name};

/// An open directory.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: File,
    path: PathBuf,
}

/// Which file a name stands for at a moment. Of two that exist at the same time it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

/// A lock, given back when dropped, also by the death of the process.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    /// Whose it is: a child that was forked has it open as well.
    pid: u32,
}

impl Folder {
    /// Opens a directory; makes it, for this user alone, if there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let error = |doing| move |source: io::Error| DirectoryError::new(path, doing, source);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(error("make the directory"))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| error("open the directory")(errno.into()))?;
        let fd = File::from(fd);
        let owner = fd.metadata().map_err(error("open the directory"))?.uid();
        // Its owner may replace every file in it.
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            let source = io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("it is of user {owner}, neither root's nor this process's"),
            );
            return Err(error("trust the files")(source));
        }
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all that is in it.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            // Ours are all ASCII.
            if let Ok(name) = entry?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Makes a file that there must not be yet.
    pub(crate) fn make(&self, name: &str) -> io::Result<File> {
        self.open_file(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
    }

    /// Opens a file that is a regular one, to read it.
    pub(crate) fn read(&self, name: &str) -> io::Result<File> {
        let file = self.open_file(name, OFlags::RDONLY)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
        if kind == FileType::RegularFile {
            Ok(file)
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        // A pipe in a file's place must not hold up who opens it, and a link not lead elsewhere.
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(rustix::fs::openat(&self.fd, name, flags, mode)?.into())
    }

    /// Puts a file in the place of another, or of none, at once.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Gives a file a name that no other has.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) where another has it.
    pub(crate) fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        match rustix::fs::renameat_with(&self.fd, from, &self.fd, to, rustix::fs::RenameFlags::NOREPLACE) {
            // Not every file system can.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            renamed => return Ok(renamed?),
        }
        self.link_and_remove(from, to)
    }

    /// For a moment the file has both names.
    fn link_and_remove(&self, from: &str, to: &str) -> io::Result<()> {
        rustix::fs::linkat(&self.fd, from, &self.fd, to, AtFlags::empty())?;
        self.remove(from)
    }

    /// Removes a file; it may be gone already.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until what was renamed and removed before is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.fd) {
            // Some file systems have nothing to wait for.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Which file a name stands for now, if for any.
    pub(crate) fn identity(&self, name: &str) -> io::Result<Option<Identity>> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Identity::of_stat(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes the lock that allows folding, if nobody has it. Never waits: whoever holds it may be stopped.
    pub(crate) fn try_fold_lock(&self) -> io::Result<Option<Lock>> {
        self.try_lock(&file_name::fold_lock())
    }

    /// Takes the lock of whoever writes what the kernel owns, if nobody has it.
    pub(crate) fn try_writer_lock(&self) -> io::Result<Option<Lock>> {
        self.try_lock(file_name::WRITER_LOCK)
    }

    /// These files are never removed: then two could hold the lock of one name.
    fn try_lock(&self, name: &str) -> io::Result<Option<Lock>> {
        Lock::try_new(self.open_file(name, OFlags::RDWR | OFlags::CREATE)?)
    }
}

impl Identity {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::of_stat(&rustix::fs::fstat(file)?))
    }

    #[allow(
        clippy::unnecessary_cast,
        reason = "the types are not the same on every system"
    )]
    fn of_stat(stat: &rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
        }
    }
}

impl Lock {
    /// Locks a file; nothing if another has, or is looking whether anybody has.
    pub(crate) fn try_new(file: File) -> io::Result<Option<Self>> {
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let pid = std::process::id();
        Ok(locked.then_some(Self { file, pid }))
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Tells whether this process took it, and not the one it was forked from.
    pub(crate) fn is_own(&self) -> bool {
        std::process::id() == self.pid
    }

    /// As a child sees it that was forked from whoever took it.
    #[cfg(test)]
    pub(crate) fn of_a_parent(mut self) -> Self {
        self.pid += 1;
        self
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // To close it is not enough: a child that is being started has it open until it runs its own program. And a
        // child must not give back what is its parent's.
        if self.is_own() {
            let _ = flock(&self.file, FlockOperation::Unlock);
        }
    }
}

/// Whether somebody owns the file. Those who look do not disturb one another: they share the lock for that moment.
pub(crate) fn is_owned(file: &File) -> io::Result<bool> {
    if flock(file, FlockOperation::NonBlockingLockShared)? {
        flock(file, FlockOperation::Unlock)?;
        return Ok(false);
    }
    Ok(true)
}

fn flock(file: &File, operation: FlockOperation) -> io::Result<bool> {
    match rustix::io::retry_on_intr(|| rustix::fs::flock(file, operation)) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_another_has_stays_with_its_file() {
        let path = std::env::temp_dir().join(format!("campanile-recorder-names-{}", std::process::id()));
        let folder = Folder::open(&path).expect("opens");
        type Rename = fn(&Folder, &str, &str) -> io::Result<()>;
        for rename in [Folder::rename_new as Rename, Folder::link_and_remove] {
            for name in ["taken", "new"] {
                std::fs::write(path.join(name), name).expect("can be written");
            }
            let error = rename(&folder, "new", "taken").expect_err("another has it");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read(path.join("taken")).expect("is there"), b"taken");
            std::fs::remove_file(path.join("taken")).expect("is there");
            rename(&folder, "new", "taken").expect("nobody has it");
            assert_eq!(std::fs::read(path.join("taken")).expect("is there"), b"new");
            assert!(!path.join("new").exists());
        }
        std::fs::remove_dir_all(&path).expect("can be removed");
    }
}
