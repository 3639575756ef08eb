//! Exclusive locks of files.

use std::{fs::File, io};

use rustix::{fs::FlockOperation, io::Errno};

/// An exclusive lock of a file, released on drop and when the process ends.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
    /// The process that took it. A forked child inherits the open file.
    pid: u32,
}

impl FileLock {
    /// Locks a file; `None` if it is locked, exclusively or by [`is_locked`].
    pub(crate) fn try_new(file: File) -> io::Result<Option<Self>> {
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let pid = std::process::id();
        Ok(locked.then_some(Self { file, pid }))
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns whether this process took the lock, rather than the parent it was forked from.
    pub(crate) fn is_own(&self) -> bool {
        std::process::id() == self.pid
    }

    /// Returns the lock as a forked child sees it.
    #[cfg(test)]
    pub(crate) fn inherited(mut self) -> Self {
        self.pid += 1;
        self
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Unlocked explicitly: a child between fork and exec keeps the file open. And a child must not release the
        // lock of its parent.
        if self.is_own() {
            let _ = flock(&self.file, FlockOperation::Unlock);
        }
    }
}

/// Returns whether a file is locked. Takes a shared lock for a moment, so that concurrent callers do not disturb each
/// other.
pub(crate) fn is_locked(file: &File) -> io::Result<bool> {
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
