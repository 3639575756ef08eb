//! Allocates disk space.

use std::{fs::File, io, os::unix::fs::FileExt};

use rustix::process::{Resource, getrlimit};

use crate::cells::PAGE;

/// Allocates disk space for a range of a file.
///
/// Writing to a mapped page without disk space would kill the process by SIGBUS.
pub(crate) fn allocate(file: &File, offset: u64, len: u64) -> io::Result<()> {
    // Exceeding the file size limit does not fail but kills the process by SIGXFSZ.
    if getrlimit(Resource::Fsize)
        .current
        .is_some_and(|limit| offset + len > limit)
    {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    reserve(file, offset, len)
}

#[cfg(target_os = "linux")]
fn reserve(file: &File, offset: u64, len: u64) -> io::Result<()> {
    use rustix::{fs::FallocateFlags, io::Errno};

    let reserved =
        rustix::io::retry_on_intr(|| rustix::fs::fallocate(file, FallocateFlags::empty(), offset, len));
    match reserved {
        Ok(()) => Ok(()),
        // Not supported by every file system.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(file, offset, len),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(file: &File, offset: u64, len: u64) -> io::Result<()> {
    write_zeros(file, offset, len)
}

fn write_zeros(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let zeros = [0; PAGE * 8];
    (0..len)
        .step_by(zeros.len())
        .try_for_each(|done| file.write_all_at(&zeros, offset + done))
}
