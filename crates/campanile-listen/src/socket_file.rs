//! The file of a unix socket: its creation and its removal.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use socket2::{Domain, SockAddr, Socket, Type};

/// Attempts to lock the directory, a millisecond apart.
const LOCK_ATTEMPTS: u32 = 100;

/// Attempts to replace a stale socket, in case that other processes bind and unbind the path at the same time.
const REPLACE_ATTEMPTS: u32 = 5;

/// A socket file created by this process. Removed on drop, unless another file has replaced it.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    keep: bool,
}

/// Binds a unix socket and listens.
pub(crate) fn bind_unix(path: &Path, mode: Option<u32>, backlog: i32) -> io::Result<(OwnedFd, SocketFile)> {
    // A live socket looks stale between bind(2) and listen(2), and a stale one may be replaced between the check and its
    // removal. The lock keeps other campanile processes out.
    let _lock = lock(parent(path));
    let address = SockAddr::unix(path)?;
    let mut attempts = REPLACE_ATTEMPTS;
    let socket = loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        match socket.bind(&address) {
            Ok(()) => break socket,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {
                attempts -= 1;
                remove_if_stale(path, &address, error)?;
            }
            Err(error) => return Err(error),
        }
    };
    let file = SocketFile {
        path: std::path::absolute(path)?,
        identity: identity(&fs::symlink_metadata(path)?),
        keep: false,
    };
    if let Some(mode) = mode {
        // Before listen(2), when no client can connect yet.
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    socket.listen(backlog)?;
    Ok((socket.into(), file))
}

/// Removes the socket of a process that has ended; returns `in_use` if one still listens.
fn remove_if_stale(path: &Path, address: &SockAddr, in_use: io::Error) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the path exists and is not a socket",
        ));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full accept queue would block, and means that the socket is live.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => remove(path, identity(&found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(in_use),
    }
}

impl SocketFile {
    /// Leaves the file in place.
    pub(crate) fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        let _lock = lock(parent(&self.path));
        if let Err(error) = remove(&self.path, self.identity) {
            tracing::warn!(path = %self.path.display(), "failed to remove the socket file: {error}");
        }
    }
}

/// Removes the file if it is still the expected one.
fn remove(path: &Path, expected: (u64, u64)) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if identity(&found) == expected => fs::remove_file(path),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    removed.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Locks a directory. Best effort: the file system may not support locks, and another process may hold one for long.
fn lock(directory: &Path) -> Option<File> {
    let directory = File::open(directory).ok()?;
    for _ in 0..LOCK_ATTEMPTS {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => return None,
        }
    }
    None
}
