//! A directory handle. Files are opened relative to the handle, so renaming the directory is harmless.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Dir as DirEntries, FileType, Mode, OFlags},
    io::Errno,
};

use crate::{
    DirectoryError,
    processes::{file_lock::FileLock, file_name},
};

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: File,
    path: PathBuf,
}

impl Dir {
    /// Opens a directory, creating it with mode 0700 if it does not exist.
    pub(crate) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let error = |operation| move |source: io::Error| DirectoryError::new(path, operation, source);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(error("create directory"))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| error("open directory")(errno.into()))?;
        let fd = File::from(fd);
        let owner = fd.metadata().map_err(error("open directory"))?.uid();
        // The owner of the directory can replace every file in it.
        if owner != 0 && owner != rustix::process::geteuid().as_raw() {
            let source = io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the directory belongs to user {owner}, not to root or the user of this process"),
            );
            return Err(error("trust the files in")(source));
        }
        Ok(Self {
            fd,
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the names of all files in the directory.
    pub(crate) fn file_names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in DirEntries::read_from(&self.fd)? {
            // Our own names are ASCII.
            if let Ok(name) = entry?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Creates a file that must not exist yet.
    pub(crate) fn create_new(&self, name: &str) -> io::Result<File> {
        self.open_file(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
    }

    /// Opens a regular file for reading.
    pub(crate) fn open_read(&self, name: &str) -> io::Result<File> {
        let file = self.open_file(name, OFlags::RDONLY)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
        if kind == FileType::RegularFile {
            Ok(file)
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        }
    }

    fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        // Opening must neither block on a FIFO nor follow a symbolic link.
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(rustix::fs::openat(&self.fd, name, flags, mode)?.into())
    }

    /// Renames a file atomically, replacing a file of the new name.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Renames a file without replacing another.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if a file of the new name exists.
    pub(crate) fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        match rustix::fs::renameat_with(&self.fd, from, &self.fd, to, rustix::fs::RenameFlags::NOREPLACE) {
            // Not supported by every file system.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            renamed => return Ok(renamed?),
        }
        self.link_and_remove(from, to)
    }

    /// The portable form of [`Self::rename_new`]: for a moment the file has both names.
    fn link_and_remove(&self, from: &str, to: &str) -> io::Result<()> {
        rustix::fs::linkat(&self.fd, from, &self.fd, to, AtFlags::empty())?;
        self.remove(from)
    }

    /// Removes a file, which may be gone already.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until earlier renames and removals are on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.fd) {
            // Some file systems do not support it on directories.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Returns the identity of the file that currently has a name, if any.
    pub(crate) fn file_id(&self, name: &str) -> io::Result<Option<FileId>> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileId::from_stat(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes the lock of the archive if it is free. Never blocks: the holder may be suspended.
    pub(crate) fn try_lock_archive(&self) -> io::Result<Option<FileLock>> {
        self.try_lock(&file_name::archive_lock())
    }

    /// Takes the lock of the process that writes gauges of kernel state, if it is free.
    pub(crate) fn try_lock_writer(&self) -> io::Result<Option<FileLock>> {
        self.try_lock(file_name::WRITER_LOCK)
    }

    /// Lock files are never removed: two processes could then hold locks of one name.
    fn try_lock(&self, name: &str) -> io::Result<Option<FileLock>> {
        FileLock::try_new(self.open_file(name, OFlags::RDWR | OFlags::CREATE)?)
    }
}

/// The identity of a file: device and inode. Two files that exist at the same time differ in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn from_file(file: &File) -> io::Result<Self> {
        Ok(Self::from_stat(&rustix::fs::fstat(file)?))
    }

    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    fn from_stat(stat: &rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renaming_to_an_existing_name_fails_and_keeps_both_files() {
        let path = std::env::temp_dir().join(format!("campanile-recorder-names-{}", std::process::id()));
        let dir = Dir::open(&path).expect("opens");
        type Rename = fn(&Dir, &str, &str) -> io::Result<()>;
        for rename in [Dir::rename_new as Rename, Dir::link_and_remove] {
            for name in ["taken", "new"] {
                std::fs::write(path.join(name), name).expect("can be written");
            }
            let error = rename(&dir, "new", "taken").expect_err("the name exists");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read(path.join("taken")).expect("exists"), b"taken");
            std::fs::remove_file(path.join("taken")).expect("exists");
            rename(&dir, "new", "taken").expect("the name is free");
            assert_eq!(std::fs::read(path.join("taken")).expect("exists"), b"new");
            assert!(!path.join("new").exists());
        }
        std::fs::remove_dir_all(&path).expect("can be removed");
    }
}
