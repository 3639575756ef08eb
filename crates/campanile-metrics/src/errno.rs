//! Names of error numbers, for labels.

use std::io;

use crate::OTHER;

#[cfg(unix)]
macro_rules! names {
    ($number:expr, $($name:ident)*) => {
        match $number {
            $(libc::$name => stringify!($name),)*
            _ => OTHER,
        }
    };
}

/// Returns the name of an error number, as in `ECONNREFUSED`; `other` for one that sockets and files do not have.
#[cfg(unix)]
#[must_use]
pub fn errno_name(errno: i32) -> &'static str {
    names!(errno,
        EPERM ENOENT EINTR EIO ENXIO EBADF EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST ENODEV ENOTDIR EISDIR EINVAL
        ENFILE EMFILE EFBIG ENOSPC ESPIPE EROFS EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ELOOP EPROTO
        EOVERFLOW EILSEQ ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT
        EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED
        ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH
        EALREADY EINPROGRESS ESTALE EDQUOT ECANCELED
    )
}

/// Returns `other`: numbers have no common names here.
#[cfg(not(unix))]
#[must_use]
pub fn errno_name(_errno: i32) -> &'static str {
    OTHER
}

/// Returns the name of an error by its number, else by its kind; `None` where neither has one.
#[must_use]
pub fn errno_name_of(error: &io::Error) -> Option<&'static str> {
    if let Some(errno) = error.raw_os_error() {
        return Some(errno_name(errno));
    }
    Some(match error.kind() {
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::ConnectionAborted => "ECONNABORTED",
        io::ErrorKind::BrokenPipe => "EPIPE",
        io::ErrorKind::NotConnected => "ENOTCONN",
        io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        io::ErrorKind::PermissionDenied => "EACCES",
        _ => return None,
    })
}
