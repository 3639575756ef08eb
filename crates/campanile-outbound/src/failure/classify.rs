//! Classifies an error by its chain of sources.
//!
//! Errors of hyper, h2, tokio and this crate are recognised by type. Errors of libraries that this crate does not depend
//! on (tonic, tower, hyper-util's connector, reqwest, rustls) are recognised by the first word of their `Debug` output,
//! which is the name of the type or the variant.
//!
//! Some errors are in no chain: `source()` of `#[error(transparent)]` skips the wrapped error. Where the chain names no
//! reason, the words of the `Debug` output do, outside of quoted text.

use std::{error::Error, fmt, io, sync::Arc};

use campanile_core::grpc::Code;
use campanile_metrics::{OTHER, errno_name, errno_name_of};

use super::{ErrorType, Failure, TimeoutPhase, debug_words::DebugWords};
use crate::{names::UNKNOWN, propagate::DeadlineExceeded};

/// The number of sources that are read. A longer chain is a cycle.
const MAX_SOURCES: usize = 32;

/// What the sources of an error say together.
#[derive(Default)]
struct ErrorChain {
    deadline: bool,
    timeout: bool,
    connecting: bool,
    tls: bool,
    request_body: bool,
    /// The reason of a protocol violation.
    protocol: Option<&'static str>,
    /// The name of the innermost error number.
    code: Option<&'static str>,
    /// The gRPC status of the outermost error that has one.
    grpc: Option<Code>,
}

/// Returns the status of a gRPC call that failed with this error, of the service or of its body.
///
/// From gRPC's own documents: the table of [HTTP/2 error codes], and `UNAVAILABLE` for a connection that cannot be opened,
/// breaks or [goes away].
///
/// [HTTP/2 error codes]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors
/// [goes away]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#goaway-frame
#[cold]
pub(crate) fn grpc_code(error: Option<&(dyn Error + 'static)>) -> Code {
    let chain = ErrorChain::of(error);
    match chain.grpc {
        _ if chain.deadline => Code::DeadlineExceeded,
        Some(code) => code,
        None if chain.connecting => Code::Unavailable,
        None if chain.timeout => Code::DeadlineExceeded,
        None if chain.tls || chain.code.is_some() => Code::Unavailable,
        None => Code::Unknown,
    }
}

/// Classifies an error that the service returned instead of a response.
#[cold]
pub(crate) fn of_call(error: Option<&(dyn Error + 'static)>) -> Failure {
    let chain = ErrorChain::of(error);
    if chain.deadline {
        return Failure::DEADLINE;
    }
    if chain.timeout {
        return Failure::timeout(if chain.connecting {
            TimeoutPhase::Connect
        } else {
            TimeoutPhase::Response
        });
    }
    let kind = match (chain.tls, chain.code, chain.protocol) {
        (true, ..) => ErrorType::Tls,
        _ if chain.request_body => ErrorType::Body,
        (_, None, Some(_)) => ErrorType::Protocol,
        _ => ErrorType::Connection,
    };
    Failure::new(kind, chain.code.or(chain.protocol).unwrap_or(UNKNOWN))
}

/// Classifies an error of a response body.
#[cold]
pub(crate) fn of_body(error: Option<&(dyn Error + 'static)>) -> Failure {
    let chain = ErrorChain::of(error);
    if chain.deadline {
        return Failure::DEADLINE;
    }
    if chain.timeout {
        return Failure::timeout(TimeoutPhase::Body);
    }
    Failure::new(ErrorType::Body, chain.code.or(chain.protocol).unwrap_or(UNKNOWN))
}

impl ErrorChain {
    fn of(error: Option<&(dyn Error + 'static)>) -> Self {
        let mut chain = Self::default();
        for error in std::iter::successors(error, |error| source_of(*error)).take(MAX_SOURCES) {
            chain.add(error);
        }
        let is_conclusive = chain.deadline
            || chain.timeout
            || chain.tls
            || chain.code.is_some()
            || chain.protocol.is_some()
            || chain.grpc.is_some();
        if let (Some(error), false) = (error, is_conclusive) {
            chain.add_words(&DebugWords::of(error));
        }
        chain
    }

    /// Adds what the `Debug` output of an error names.
    #[cold]
    fn add_words(&mut self, words: &DebugWords) {
        self.timeout |= words.timeout;
        self.connecting |= words.connecting;
        self.tls |= words.tls;
        match words.errno.map(errno_name) {
            Some("ETIMEDOUT") => self.timeout = true,
            code => self.code = code,
        }
    }

    fn add(&mut self, error: &(dyn Error + 'static)) {
        let error = inside(error);
        #[cfg(feature = "connect")]
        {
            if let Some(failed) = error.downcast_ref::<crate::connect::LookupError>() {
                self.code = Some(failed.code());
            }
            if error.is::<crate::connect::ConnectTimeout>() {
                (self.timeout, self.connecting) = (true, true);
            }
        }
        if error.is::<DeadlineExceeded>() {
            self.deadline = true;
        } else if let Some(error) = error.downcast_ref::<io::Error>() {
            match errno_name_of(error) {
                Some("ETIMEDOUT") => self.timeout = true,
                Some(code) => self.code = Some(code),
                None => {}
            }
        } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
            self.timeout |= error.is_timeout();
            if error.is_timeout() || error.is_canceled() || error.is_closed() || error.is_incomplete_message()
            {
                // No ping was acknowledged, or the connection closed before the call was sent.
                self.grpc.get_or_insert(Code::Unavailable);
            }
            self.request_body |= error.is_user()
                && DebugPrefix::of(error)
                    .as_str()
                    .starts_with("hyper::Error(User(Body)");
            if error.is_parse() {
                self.protocol = Some(UNKNOWN);
            }
        } else if let Some(error) = error.downcast_ref::<h2::Error>() {
            self.grpc.get_or_insert_with(|| code_of_h2(error));
            if let Some(reason) = error.reason() {
                self.protocol = Some(reason_name(reason));
            }
        } else if error.is::<tokio::time::error::Elapsed>() {
            self.timeout = true;
        } else {
            self.add_by_name(error);
        }
    }

    fn add_by_name(&mut self, error: &(dyn Error + 'static)) {
        let prefix = DebugPrefix::of(error);
        match prefix.as_str().split(|byte: char| !byte.is_alphanumeric()).next() {
            // tower's, reqwest's and tonic's.
            Some("Elapsed" | "TimedOut" | "TimeoutExpired") => self.timeout = true,
            // hyper-util's connector and tonic's.
            Some("ConnectError") => self.connecting = true,
            // tonic's.
            Some("Status") => {
                let code = prefix
                    .as_str()
                    .strip_prefix("Status { code: ")
                    .and_then(code_named);
                // UNKNOWN is what tonic makes of an error that it does not know; its source says more.
                self.grpc = self.grpc.or_else(|| code.filter(|code| *code != Code::Unknown));
                self.timeout |= code == Some(Code::DeadlineExceeded);
            }
            // tower's.
            Some("Overloaded") => {
                self.grpc.get_or_insert(Code::ResourceExhausted);
            }
            Some(word) if is_tls_error(word) => self.tls = true,
            _ if prefix
                .as_str()
                .starts_with("hyper_util::client::legacy::Error(Connect") =>
            {
                self.connecting = true
            }
            _ => {}
        }
    }
}

/// Returns whether this is the name of a type or a variant of rustls or openssl for an error of the peer.
pub(super) fn is_tls_error(name: &str) -> bool {
    matches!(
        name,
        "InvalidCertificate"
            | "AlertReceived"
            | "PeerIncompatible"
            | "PeerMisbehaved"
            | "InvalidMessage"
            | "InappropriateMessage"
            | "InappropriateHandshakeMessage"
            | "NoCertificatesPresented"
            | "InvalidCertRevocationList"
            | "NoApplicationProtocol"
            | "DecryptError"
            // openssl.
            | "ErrorStack"
            | "Ssl"
    )
}

/// Returns the error in a pointer, whose own `source()` skips it.
fn inside<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    macro_rules! pointed_to {
        ($($pointer:ty),*) => {
            $(if let Some(pointer) = error.downcast_ref::<$pointer>() {
                error = &**pointer;
                continue;
            })*
        };
    }
    // Ends: each step goes to what a pointer owns, or shares without a cycle, since it is not mutable.
    loop {
        pointed_to!(
            Arc<io::Error>,
            Arc<hyper::Error>,
            Arc<h2::Error>,
            Arc<dyn Error + Send + Sync>,
            Arc<dyn Error + Send>,
            Arc<dyn Error>,
            Box<io::Error>,
            Box<hyper::Error>,
            Box<h2::Error>
        );
        return error;
    }
}

/// Returns the source of an error, also where `source()` skips or hides it.
fn source_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let error = inside(error);
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // `source()` of an `io::Error` that wraps another error skips that error.
        return error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    }
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return error.get_io().map(|inner| inner as &(dyn Error + 'static));
    }
    error.source()
}

fn reason_name(reason: h2::Reason) -> &'static str {
    match reason {
        h2::Reason::NO_ERROR => "NO_ERROR",
        h2::Reason::PROTOCOL_ERROR => "PROTOCOL_ERROR",
        h2::Reason::INTERNAL_ERROR => "INTERNAL_ERROR",
        h2::Reason::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
        h2::Reason::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT",
        h2::Reason::STREAM_CLOSED => "STREAM_CLOSED",
        h2::Reason::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
        h2::Reason::REFUSED_STREAM => "REFUSED_STREAM",
        h2::Reason::CANCEL => "CANCEL",
        h2::Reason::COMPRESSION_ERROR => "COMPRESSION_ERROR",
        h2::Reason::CONNECT_ERROR => "CONNECT_ERROR",
        h2::Reason::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
        h2::Reason::INADEQUATE_SECURITY => "INADEQUATE_SECURITY",
        h2::Reason::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED",
        _ => OTHER,
    }
}

/// Maps an error of HTTP/2.
fn code_of_h2(error: &h2::Error) -> Code {
    match error.reason() {
        _ if error.is_go_away() => Code::Unavailable,
        None => Code::Unavailable,
        Some(
            h2::Reason::NO_ERROR
            | h2::Reason::PROTOCOL_ERROR
            | h2::Reason::INTERNAL_ERROR
            | h2::Reason::FLOW_CONTROL_ERROR
            | h2::Reason::SETTINGS_TIMEOUT
            | h2::Reason::FRAME_SIZE_ERROR
            | h2::Reason::COMPRESSION_ERROR
            | h2::Reason::CONNECT_ERROR,
        ) => Code::Internal,
        Some(h2::Reason::REFUSED_STREAM) => Code::Unavailable,
        Some(h2::Reason::CANCEL) => Code::Cancelled,
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Code::ResourceExhausted,
        Some(h2::Reason::INADEQUATE_SECURITY) => Code::PermissionDenied,
        Some(_) => Code::Unknown,
    }
}

/// Returns the code whose name a text begins with, as `Debug` writes it: `DeadlineExceeded`.
fn code_named(text: &str) -> Option<Code> {
    let name = text.split(|char: char| !char.is_alphanumeric()).next()?;
    let letters = |code: Code| code.as_str().bytes().filter(|byte| *byte != b'_');
    Code::ALL
        .into_iter()
        .find(|code| letters(*code).eq(name.bytes().map(|byte| byte.to_ascii_uppercase())))
}

/// The beginning of an error's `Debug` output.
struct DebugPrefix {
    bytes: [u8; 64],
    len: usize,
}

impl DebugPrefix {
    fn of(error: &dyn fmt::Debug) -> Self {
        let mut prefix = Self {
            bytes: [0; 64],
            len: 0,
        };
        // Fails when the buffer is full: the rest is not needed.
        let _full = fmt::write(&mut prefix, format_args!("{error:?}"));
        prefix
    }

    fn as_str(&self) -> &str {
        let bytes = &self.bytes[..self.len];
        str::from_utf8(bytes)
            .unwrap_or_else(|error| str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to there"))
    }
}

impl fmt::Write for DebugPrefix {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.len..];
        let len = text.len().min(room.len());
        room[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        if len < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_inside_an_io_error_is_found() {
        let inside = io::Error::from(io::ErrorKind::ConnectionReset);
        let error = Outer(io::Error::other(Outer(inside)));
        assert_eq!(
            of_call(Some(&error)),
            Failure::new(ErrorType::Connection, "ECONNRESET")
        );
        assert_eq!(of_body(Some(&error)), Failure::new(ErrorType::Body, "ECONNRESET"));
    }

    #[test]
    fn time_limits_are_recognised_by_kind_and_by_type() {
        let error = Outer(io::Error::from(io::ErrorKind::TimedOut));
        assert_eq!(of_call(Some(&error)), Failure::timeout(TimeoutPhase::Response));
        assert_eq!(of_body(Some(&error)), Failure::timeout(TimeoutPhase::Body));
        let elapsed = tower::timeout::error::Elapsed::new();
        assert_eq!(of_call(Some(&elapsed)), Failure::timeout(TimeoutPhase::Response));
        assert_eq!(of_call(Some(&DeadlineExceeded)), Failure::DEADLINE);
    }

    #[test]
    fn a_protocol_violation_has_its_reason() {
        let error = h2::Error::from(h2::Reason::ENHANCE_YOUR_CALM);
        assert_eq!(
            of_call(Some(&error)),
            Failure::new(ErrorType::Protocol, "ENHANCE_YOUR_CALM")
        );
    }

    #[test]
    fn unknown_errors_count_as_the_connection() {
        assert_eq!(of_call(None), Failure::new(ErrorType::Connection, "unknown"));
        assert_eq!(
            of_call(Some(&fmt::Error)),
            Failure::new(ErrorType::Connection, "unknown")
        );
    }

    /// An error as `#[error(transparent)]` makes it: display and source are those of the wrapped error.
    #[derive(Debug)]
    struct Transparent<E>(#[allow(dead_code, reason = "shown by Debug")] E);

    impl<E: fmt::Debug> fmt::Display for Transparent<E> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("transparent")
        }
    }

    impl<E: Error + 'static> Error for Transparent<E> {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.0.source()
        }
    }

    fn reset() -> io::Error {
        io::Error::from_raw_os_error(libc_errno("ECONNRESET"))
    }

    /// Finds the number of an error by its name.
    fn libc_errno(name: &str) -> i32 {
        (1..200).find(|errno| errno_name(*errno) == name).unwrap()
    }

    type BoxError = Box<dyn Error + Send + Sync>;

    #[derive(Debug)]
    struct Wrapper<E>(E);

    impl<E: fmt::Debug> fmt::Display for Wrapper<E> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("wrapper")
        }
    }

    impl<E: Error + 'static> Error for Wrapper<E> {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_number_is_found_in_every_wrapper() {
        let boxed: BoxError = Box::new(reset());
        let errors: [BoxError; 9] = [
            Box::new(Transparent(reset())),
            Box::new(Transparent(Transparent(reset()))),
            Box::new(Wrapper(Transparent(reset()))),
            Box::new(Wrapper(Arc::new(reset()))),
            Box::new(Wrapper(Box::new(reset()))),
            Box::new(Wrapper(Arc::<dyn Error + Send + Sync>::from(boxed))),
            Box::new(io::Error::other(io::Error::other(reset()))),
            Box::new(io::Error::other(Transparent(reset()))),
            Box::new(Transparent(io::Error::other(reset()))),
        ];
        for error in errors {
            assert_eq!(
                of_call(Some(&*error)),
                Failure::new(ErrorType::Connection, "ECONNRESET"),
                "{error:?}"
            );
            assert_eq!(
                of_body(Some(&*error)),
                Failure::new(ErrorType::Body, "ECONNRESET"),
                "{error:?}"
            );
            assert_eq!(grpc_code(Some(&*error)), Code::Unavailable, "{error:?}");
        }
    }

    #[test]
    fn a_time_limit_is_found_in_every_wrapper() {
        let elapsed = tower::timeout::error::Elapsed::new;
        let timed_out = || io::Error::from_raw_os_error(libc_errno("ETIMEDOUT"));
        let errors: [BoxError; 7] = [
            Box::new(Transparent(elapsed())),
            Box::new(Wrapper(Transparent(elapsed()))),
            Box::new(Wrapper(Arc::new(io::Error::from(io::ErrorKind::TimedOut)))),
            Box::new(Transparent(io::Error::from(io::ErrorKind::TimedOut))),
            Box::new(Transparent(timed_out())),
            Box::new(Wrapper(Arc::<dyn Error + Send + Sync>::from(
                Box::new(elapsed()) as BoxError
            ))),
            Box::new(tonic::Status::deadline_exceeded("late")),
        ];
        for error in errors {
            assert_eq!(
                of_call(Some(&*error)),
                Failure::timeout(TimeoutPhase::Response),
                "{error:?}"
            );
            assert_eq!(
                of_body(Some(&*error)),
                Failure::timeout(TimeoutPhase::Body),
                "{error:?}"
            );
            assert_eq!(grpc_code(Some(&*error)), Code::DeadlineExceeded, "{error:?}");
        }
    }

    #[test]
    fn text_in_an_error_is_no_reason() {
        let errors: [BoxError; 3] = [
            "Os { code: 104 } Elapsed TimedOut".into(),
            Box::new(Transparent(io::Error::other(
                "a \"quote\", then Os { code: 104, and Elapsed(())",
            ))),
            Box::new(Wrapper(fmt::Error)),
        ];
        for error in errors {
            assert_eq!(
                of_call(Some(&*error)),
                Failure::new(ErrorType::Connection, UNKNOWN),
                "{error:?}"
            );
            assert_eq!(grpc_code(Some(&*error)), Code::Unknown, "{error:?}");
        }
    }

    #[test]
    fn errors_of_tls_are_recognised_through_io_and_transparent_errors() {
        // Named as rustls names it.
        #[derive(Debug)]
        enum Tls {
            AlertReceived(#[allow(dead_code, reason = "shown by Debug")] &'static str),
        }
        impl fmt::Display for Tls {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tls")
            }
        }
        impl Error for Tls {}
        let alert = || Tls::AlertReceived("HandshakeFailure");
        let error = Wrapper(io::Error::new(io::ErrorKind::InvalidData, alert()));
        assert_eq!(of_call(Some(&error)), Failure::new(ErrorType::Tls, UNKNOWN));
        let error = Transparent(alert());
        assert_eq!(of_call(Some(&error)), Failure::new(ErrorType::Tls, UNKNOWN));
    }

    #[test]
    fn statuses_of_grpc_are_read_from_the_outermost_error_that_has_one() {
        let refused = || h2::Error::from(h2::Reason::REFUSED_STREAM);
        let cases: [(BoxError, Code); 6] = [
            (
                Box::new(tonic::Status::permission_denied("no")),
                Code::PermissionDenied,
            ),
            (
                Box::new(Wrapper(tonic::Status::data_loss("lost"))),
                Code::DataLoss,
            ),
            (Box::new(Wrapper(Arc::new(refused()))), Code::Unavailable),
            (
                Box::new(tonic::Status::from_error(Box::new(Wrapper(reset())))),
                Code::Unavailable,
            ),
            (Box::new(Wrapper(DeadlineExceeded)), Code::DeadlineExceeded),
            (Box::new(h2::Error::from(h2::Reason::CANCEL)), Code::Cancelled),
        ];
        for (error, code) in cases {
            assert_eq!(grpc_code(Some(&*error)), code, "{error:?}");
        }
        assert_eq!(grpc_code(None), Code::Unknown);
        for code in Code::ALL {
            let name = format!("{:?}, message", tonic::Code::from_i32(code as i32));
            assert_eq!(code_named(&name), Some(code), "{name}");
        }
        assert_eq!(code_named("Nothing"), None);
    }

    #[test]
    fn a_cycle_and_a_deep_chain_end() {
        #[derive(Debug)]
        struct Cycle;
        impl fmt::Display for Cycle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cycle")
            }
        }
        impl Error for Cycle {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&Self)
            }
        }
        assert_eq!(
            of_call(Some(&Cycle)),
            Failure::new(ErrorType::Connection, UNKNOWN)
        );

        #[derive(Debug)]
        struct Deep(Option<Box<Self>>);
        impl fmt::Display for Deep {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("deep")
            }
        }
        impl Error for Deep {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                self.0.as_deref().map(|inner| inner as _)
            }
        }
        let mut deep = Deep(None);
        for _ in 0..1000 {
            deep = Deep(Some(Box::new(deep)));
        }
        assert_eq!(of_call(Some(&deep)), Failure::new(ErrorType::Connection, UNKNOWN));
    }
}
