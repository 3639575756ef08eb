//! Names of the errors of `getaddrinfo`.

use campanile_metrics::OTHER;

/// Returns the name of an error of `getaddrinfo`, such as `EAI_NONAME`; `other` for an unknown number.
pub(crate) fn eai_name(code: i32) -> &'static str {
    #[cfg(unix)]
    macro_rules! named {
        ($($name:ident)*) => {
            match code {
                $(libc::$name => stringify!($name),)*
                _ => OTHER,
            }
        };
    }
    #[cfg(target_os = "linux")]
    {
        // glibc's own; libc has no constants for them.
        match code {
            -9 => return "EAI_ADDRFAMILY",
            -5 => return "EAI_NODATA",
            _ => {}
        }
    }
    #[cfg(unix)]
    return named!(
        EAI_BADFLAGS EAI_NONAME EAI_AGAIN EAI_FAIL EAI_FAMILY EAI_SOCKTYPE EAI_SERVICE EAI_MEMORY EAI_SYSTEM
        EAI_OVERFLOW
    );
    // Windows returns errors of its sockets, which `getaddrinfo` there also calls so.
    #[cfg(not(unix))]
    match code {
        11001 => "EAI_NONAME",
        11002 => "EAI_AGAIN",
        11003 => "EAI_FAIL",
        11004 => "EAI_NODATA",
        _ => OTHER,
    }
}
