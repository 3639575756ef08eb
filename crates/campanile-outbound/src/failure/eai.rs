//! Names of the errors of `getaddrinfo`.

use campanile_metrics::OTHER;

/// Returns the name of an error of `getaddrinfo`, such as `EAI_NONAME`; `other` for an unknown number.
pub(crate) fn eai_name(code: i32) -> &'static str {
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
    named!(
        EAI_BADFLAGS EAI_NONAME EAI_AGAIN EAI_FAIL EAI_FAMILY EAI_SOCKTYPE EAI_SERVICE EAI_MEMORY EAI_SYSTEM
        EAI_OVERFLOW
    )
}
