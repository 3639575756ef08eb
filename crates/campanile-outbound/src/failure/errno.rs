//! The names of error numbers.

use std::io;

use campanile_core::series::OTHER;

use crate::names::UNKNOWN;

macro_rules! named {
    ($number:expr, $($name:ident)*) => {
        match $number {
            $(libc::$name => stringify!($name),)*
            _ => OTHER,
        }
    };
}

/// Returns the name of an error number of the operating system; `other` for one that a socket does not have.
#[cfg(unix)]
fn name(errno: i32) -> &'static str {
    named!(errno,
        EPERM ENOENT EINTR EIO ENXIO EBADF EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST ENODEV ENOTDIR EISDIR EINVAL
        ENFILE EMFILE EFBIG ENOSPC ESPIPE EROFS EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ELOOP EPROTO
        EOVERFLOW EILSEQ ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT
        EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED
        ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH
        EALREADY EINPROGRESS ESTALE EDQUOT ECANCELED
    )
}

#[cfg(not(unix))]
fn name(_errno: i32) -> &'static str {
    OTHER
}

/// Returns the name of an error of `getaddrinfo`.
#[cfg(feature = "connect")]
pub(crate) fn eai_name(code: i32) -> &'static str {
    #[cfg(target_os = "linux")]
    {
        // Not among the constants of every platform, nor of the crate.
        match code {
            -9 => return "EAI_ADDRFAMILY",
            -5 => return "EAI_NODATA",
            _ => {}
        }
    }
    named!(code,
        EAI_BADFLAGS EAI_NONAME EAI_AGAIN EAI_FAIL EAI_FAMILY EAI_SOCKTYPE EAI_SERVICE EAI_MEMORY EAI_SYSTEM
        EAI_OVERFLOW
    )
}

/// Returns the name of what an error says by its number, else by its kind.
pub(super) fn of(error: &io::Error) -> &'static str {
    if let Some(errno) = error.raw_os_error() {
        return name(errno);
    }
    match error.kind() {
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
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn numbers_have_their_names_and_strangers_are_bounded() {
        assert_eq!(
            of(&io::Error::from_raw_os_error(libc::ECONNREFUSED)),
            "ECONNREFUSED"
        );
        assert_eq!(of(&io::Error::from_raw_os_error(99_999)), "other");
        assert_eq!(of(&io::Error::from(io::ErrorKind::BrokenPipe)), "EPIPE");
        assert_eq!(of(&io::Error::other("?")), "unknown");
    }
}
