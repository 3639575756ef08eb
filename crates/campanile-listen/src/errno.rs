//! Names of the error numbers that accepting may meet.

use std::io;

/// Returns the name of an accept error's number, as in `EMFILE`; `other` for one that accepting should not
/// meet and for errors without a number, so that the label has a bounded set of values.
pub(crate) fn errno_name(error: &io::Error) -> &'static str {
    error.raw_os_error().and_then(name).unwrap_or("other")
}

/// Lists what accept(2), accept4(2) and ip(7) document.
#[cfg(unix)]
fn name(number: i32) -> Option<&'static str> {
    macro_rules! names {
        ($($name:ident)*) => {
            match number {
                $(libc::$name => Some(stringify!($name)),)*
                _ => None,
            }
        };
    }
    names! {
        EACCES EBADF ECONNABORTED ECONNREFUSED ECONNRESET EFAULT EHOSTDOWN EHOSTUNREACH EINTR EINVAL EIO EMFILE
        ENETDOWN ENETUNREACH ENFILE ENOBUFS ENOMEM ENOPROTOOPT ENOSPC ENOTCONN ENOTSOCK EOPNOTSUPP EPERM EPIPE EPROTO
        ETIMEDOUT EAGAIN
    }
}

#[cfg(not(unix))]
fn name(_number: i32) -> Option<&'static str> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names_and_the_rest_is_other() {
        assert_eq!(errno_name(&io::Error::from_raw_os_error(libc::EMFILE)), "EMFILE");
        assert_eq!(errno_name(&io::Error::from_raw_os_error(libc::ENFILE)), "ENFILE");
        assert_eq!(errno_name(&io::Error::from_raw_os_error(99_999)), "other");
        assert_eq!(errno_name(&io::Error::other("tls handshake")), "other");
    }
}
