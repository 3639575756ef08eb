//! Room on the disk.

use std::{fs::File, io, os::unix::fs::FileExt};

use rustix::process::{Resource, getrlimit};

use crate::cells::PAGE;

/// Makes sure that a range of a file is on the disk: a mapped page without one would end the process by SIGBUS.
pub(crate) fn allocate(file: &File, offset: u64, len: u64) -> io::Result<()> {
    // Passing the limit would not fail but end the process, by SIGXFSZ.
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
        // Not every file system can.
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
