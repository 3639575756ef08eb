//! A directory handle. Files are opened relative to the handle, so renaming the directory is harmless.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{self, Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Dir as DirEntries, FileType, Mode, OFlags},
    io::Errno,
};

use crate::{
    DirectoryError,
    directory_error::CREATE_DIRECTORY,
    processes::{file_lock::FileLock, file_name},
};

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: File,
    path: PathBuf,
    /// The path that was opened: that of the directory itself, or of the one open to others that it is in.
    opened: PathBuf,
    /// The user whose files are used.
    user: u32,
}

/// The permissions of other users to write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

impl Dir {
    /// Opens a directory, creating it with mode 0700 if it does not exist.
    ///
    /// In a directory that others may write to, this opens the subdirectory `campanile-UID`, which is private.
    pub(crate) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let error = |operation| move |source: io::Error| DirectoryError::new(path, operation, source);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(error(CREATE_DIRECTORY))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| error("open directory")(errno.into()))?;
        let fd = File::from(fd);
        let user = rustix::process::geteuid().as_raw();
        let opened = path::absolute(path).map_err(error("find directory"))?;
        let metadata = fd.metadata().map_err(error("open directory"))?;
        if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
            return Self::open_private(&fd, opened, user);
        }
        let owner = metadata.uid();
        // The owner of the directory can replace every file in it.
        if owner != 0 && owner != user {
            let source = io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the directory belongs to user {owner}, not to root or the user of this process"),
            );
            return Err(error("trust the files in")(source));
        }
        Ok(Self {
            fd,
            path: path.to_owned(),
            opened,
            user,
        })
    }

    /// Opens the private directory of a user in one that others may write to. They can rename or remove it, but not read or
    /// write what is in it, and what they put in its place is refused.
    fn open_private(parent: &File, opened: PathBuf, user: u32) -> Result<Self, DirectoryError> {
        let name = format!("campanile-{user}");
        let path = opened.join(&name);
        let error = |operation| {
            let path = &path;
            move |source: io::Error| DirectoryError::new(path, operation, source)
        };
        match rustix::fs::mkdirat(parent, &*name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(error(CREATE_DIRECTORY)(errno.into())),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = rustix::fs::openat(parent, &*name, flags, Mode::empty())
            .map_err(|errno| error("open directory")(errno.into()))?;
        let fd = File::from(fd);
        let metadata = fd.metadata().map_err(error("open directory"))?;
        let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
        let refused = if owner != user {
            format!("the directory belongs to user {owner}, not to user {user} of this process")
        } else if mode != 0o700 {
            format!("the directory has mode {mode:04o} instead of 0700")
        } else {
            return Ok(Self {
                fd,
                path,
                opened,
                user,
            });
        };
        let source = io::Error::new(io::ErrorKind::PermissionDenied, refused);
        Err(error("trust the files in")(source))
    }

    /// Opens the directory that has taken the place of this one, creating it if there is none.
    pub(crate) fn reopen(&self) -> Result<Self, DirectoryError> {
        Self::open(&self.opened)
    }

    /// Returns whether the directory was removed. A renamed one was not.
    pub(crate) fn is_removed(&self) -> bool {
        rustix::fs::fstat(&self.fd).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Returns whether there is a directory at the path that was opened.
    pub(crate) fn has_successor(&self) -> bool {
        self.opened.is_dir()
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

    /// Opens a regular file of this user for reading.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it is not a regular file, and
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied), without an error number, if it is not of this user alone.
    pub(crate) fn open_read(&self, name: &str) -> io::Result<File> {
        let file = self.open_file(name, OFlags::RDONLY)?;
        let stat = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            Err(io::ErrorKind::InvalidInput.into())
        } else if self.is_own(&stat) {
            Ok(file)
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }

    /// Returns whether a file can only have been made by this user for this directory: a hard link may be to any file.
    fn is_own(&self, stat: &rustix::fs::Stat) -> bool {
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stat.st_uid == self.user
            && stat.st_nlink == 1
    }

    /// Returns whether a name belongs to a regular file of this user.
    pub(crate) fn has_own_file(&self, name: &str) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| self.is_own(&stat))
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

    /// Lock files are never removed, except those of others: two processes could then hold locks of one name.
    fn try_lock(&self, name: &str) -> io::Result<Option<FileLock>> {
        let file = match self.open_lock(name) {
            Ok(Some(file)) => file,
            Ok(None) | Err(_) if self.remove_foreign(name)? => match self.open_lock(name)? {
                Some(file) => file,
                None => return Ok(None),
            },
            Ok(None) => return Ok(None),
            Err(error) => return Err(error),
        };
        let lock = FileLock::try_new(file)?;
        Ok(lock.filter(|lock| self.is_current(lock, name)))
    }

    /// Returns whether a lock is that of the file that currently has the name, and not of one that was removed.
    fn is_current(&self, lock: &FileLock, name: &str) -> bool {
        let now = self.file_id(name).ok().flatten();
        now.is_some() && now == FileId::from_file(lock.file()).ok()
    }

    /// Returns whether a lock is still that of the process that writes gauges of kernel state.
    pub(crate) fn is_writer_lock(&self, lock: &FileLock) -> bool {
        self.is_current(lock, file_name::WRITER_LOCK)
    }

    /// Opens a lock file, creating it if it does not exist; `None` if it is not of this user.
    fn open_lock(&self, name: &str) -> io::Result<Option<File>> {
        let file = self.open_file(name, OFlags::RDWR | OFlags::CREATE)?;
        let stat = rustix::fs::fstat(&file)?;
        Ok(self.is_own(&stat).then_some(file))
    }

    /// Removes a lock file that is not of this user, and returns whether it did. One process at a time does so, the holder
    /// of the lock of the directory itself: otherwise a second one could remove the file that the first one has locked.
    fn remove_foreign(&self, name: &str) -> io::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&self.fd, ".", flags, Mode::empty())?;
        let Some(_lock) = FileLock::try_new(directory.into())? else {
            return Ok(false);
        };
        let foreign = match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => !self.is_own(&stat),
            Err(_) => false,
        };
        if foreign {
            self.remove(name)?;
        }
        Ok(foreign)
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
