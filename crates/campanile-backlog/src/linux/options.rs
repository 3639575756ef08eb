//! Socket options that no crate wraps: the one file with unsafe code.
//!
//! They are asked for by the number of a descriptor and not by a borrow of it, since whoever watches must neither hold
//! a listener open nor tie up its owner. A number may be closed by the time it is asked, or stand for another socket:
//! then the kernel answers an error or another socket's cookie, and the answer is thrown away (see
//! [`Socket`](super::Socket)). All that is here only reads; none of it takes anything from whichever socket it meets.

use std::io;
use std::os::fd::RawFd;

use libc::{c_int, c_void, socklen_t};

/// Fills `info` with the socket's `struct tcp_info`, and tells how many bytes the kernel has of it.
pub(super) fn tcp_info(fd: RawFd, info: &mut [u8]) -> io::Result<usize> {
    option(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info)
}

/// Fills `words` with what `SO_MEMINFO` tells, in bytes; tells how many there are.
pub(super) fn memory_info(fd: RawFd, words: &mut [u8]) -> io::Result<usize> {
    option(fd, libc::SOL_SOCKET, libc::SO_MEMINFO, words)
}

/// Returns the number that only this socket ever has, as long as the machine runs.
pub(super) fn cookie(fd: RawFd) -> io::Result<u64> {
    number(fd, libc::SO_COOKIE)
}

/// Returns the number of the network namespace that a socket belongs to.
pub(super) fn namespace_cookie(fd: RawFd) -> io::Result<u64> {
    number(fd, SO_NETNS_COOKIE)
}

/// Tells whether a filter, classic or extended, decides what the socket receives.
pub(super) fn has_filter(fd: RawFd) -> io::Result<bool> {
    // Without room for it, the kernel only tells how long the program is.
    match option(fd, libc::SOL_SOCKET, libc::SO_GET_FILTER, &mut []) {
        Ok(instructions) => Ok(instructions > 0),
        // An extended program is there, but cannot be shown.
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => Ok(true),
        Err(error) => Err(error),
    }
}

/// `asm-generic/socket.h`; libc has it for some architectures only.
const SO_NETNS_COOKIE: c_int = if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
    0x0050
} else {
    71
};

fn number(fd: RawFd, name: c_int) -> io::Result<u64> {
    let mut bytes = [0; 8];
    option(fd, libc::SOL_SOCKET, name, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn option(fd: RawFd, level: c_int, name: c_int, value: &mut [u8]) -> io::Result<usize> {
    let mut len = socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the kernel writes at most `len` bytes to `value`, which has as many, and any bytes are valid there; it
    // checks by itself whether `fd` is a descriptor. `len` is a valid pointer for the call.
    #[allow(unsafe_code, reason = "the only call that no crate makes safe")]
    let result =
        unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast::<c_void>(), &raw mut len) };
    if result == 0 {
        Ok(len as usize)
    } else {
        Err(io::Error::last_os_error())
    }
}
