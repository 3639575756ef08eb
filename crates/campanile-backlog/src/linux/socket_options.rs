//! Socket options without a safe wrapper in any crate. The only file with unsafe code.
//!
//! The functions take the number of a descriptor instead of a borrow, since a monitor neither keeps a listener open nor
//! borrows it. The number may be closed, or refer to another socket: the kernel then returns an error or another socket's
//! cookie, and the result is discarded (see [`ListeningSocket`](super::ListeningSocket)). All options here are read-only,
//! whatever socket they reach.

use std::io;
use std::os::fd::RawFd;

use libc::{c_int, c_void, socklen_t};

/// `asm-generic/socket.h`; libc defines it for some architectures only.
const SO_NETNS_COOKIE: c_int = if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
    0x0050
} else {
    71
};

/// Reads the socket's `struct tcp_info`, and returns its length in bytes.
pub(super) fn tcp_info(fd: RawFd, info: &mut [u8]) -> io::Result<usize> {
    getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info)
}

/// Reads the words of `SO_MEMINFO`, and returns their length in bytes.
pub(super) fn memory_info(fd: RawFd, words: &mut [u8]) -> io::Result<usize> {
    getsockopt(fd, libc::SOL_SOCKET, libc::SO_MEMINFO, words)
}

/// Returns the socket's cookie, which the kernel never reuses until reboot.
pub(super) fn cookie(fd: RawFd) -> io::Result<u64> {
    read_u64(fd, libc::SO_COOKIE)
}

/// Returns the cookie of the socket's network namespace.
pub(super) fn namespace_cookie(fd: RawFd) -> io::Result<u64> {
    read_u64(fd, SO_NETNS_COOKIE)
}

/// Returns whether a classic or extended BPF filter is attached to the socket.
pub(super) fn has_filter(fd: RawFd) -> io::Result<bool> {
    // With an empty buffer the kernel returns the program's length.
    match getsockopt(fd, libc::SOL_SOCKET, libc::SO_GET_FILTER, &mut []) {
        Ok(instructions) => Ok(instructions > 0),
        // An extended program, which cannot be read.
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => Ok(true),
        Err(error) => Err(error),
    }
}

fn read_u64(fd: RawFd, name: c_int) -> io::Result<u64> {
    let mut bytes = [0; 8];
    getsockopt(fd, libc::SOL_SOCKET, name, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn getsockopt(fd: RawFd, level: c_int, name: c_int, value: &mut [u8]) -> io::Result<usize> {
    let mut len = socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the kernel writes at most `len` bytes to `value`, which has that length and accepts any bytes. It validates
    // `fd` itself. `len` is valid for the call.
    #[allow(unsafe_code, reason = "no crate has a safe wrapper")]
    let result =
        unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast::<c_void>(), &raw mut len) };
    if result == 0 {
        Ok(len as usize)
    } else {
        Err(io::Error::last_os_error())
    }
}
