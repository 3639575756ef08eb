//! The file of a unix socket: whose it is, and when it may be removed.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use socket2::{Domain, SockAddr, Socket, Type};

/// How often the lock on the directory is tried, a millisecond apart.
const LOCK_TRIES: u32 = 100;

/// How often a path is tried on which others bind and unbind at the same time.
const BIND_TRIES: u32 = 5;

/// A socket's file that this process made. Removed when dropped, unless another has taken its place.
#[derive(Debug)]
pub(crate) struct OwnPath {
    path: PathBuf,
    identity: (u64, u64),
    kept: bool,
}

/// Binds a unix socket and listens.
pub(crate) fn bind(path: &Path, mode: Option<u32>, backlog: i32) -> io::Result<(OwnedFd, OwnPath)> {
    // Between bind(2) and listen(2) a living socket looks dead, and between looking and removing a dead one may have
    // been replaced. Whoever binds here holds the directory meanwhile.
    let _lock = lock(parent(path));
    let address = SockAddr::unix(path)?;
    let mut tries = BIND_TRIES;
    let socket = loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        match socket.bind(&address) {
            Ok(()) => break socket,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {
                tries -= 1;
                remove_if_dead(path, &address, error)?;
            }
            Err(error) => return Err(error),
        }
    };
    let own = OwnPath {
        path: std::path::absolute(path)?,
        identity: identity(&fs::symlink_metadata(path)?),
        kept: false,
    };
    if let Some(mode) = mode {
        // Nobody can connect before listen(2).
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    socket.listen(backlog)?;
    Ok((socket.into(), own))
}

/// Removes the socket of a process that is gone, else says why not.
fn remove_if_dead(path: &Path, address: &SockAddr, in_use: io::Error) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is no socket",
        ));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full queue is a sign of life too, and not to be waited for.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => remove(path, identity(&found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(in_use),
    }
}

impl OwnPath {
    /// Leaves the file to others.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for OwnPath {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let _lock = lock(parent(&self.path));
        if let Err(error) = remove(&self.path, self.identity) {
            tracing::warn!(path = %self.path.display(), "the socket's file stays behind: {error}");
        }
    }
}

/// Removes the file if it is still this one.
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

/// Locks a directory against others who do the same. Where that is not to be had it goes without: a file system
/// may know no locks, and somebody may hold one for long.
fn lock(directory: &Path) -> Option<File> {
    let directory = File::open(directory).ok()?;
    for _ in 0..LOCK_TRIES {
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(directory),
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => return None,
        }
    }
    None
}
