//! Reads an error and its sources, whoever made them.
//!
//! The types of hyper, h2, tokio and ours are asked. Those of libraries that this crate does not depend on (tonic,
//! tower, hyper-util's connector, reqwest, rustls) are known by the word that their `Debug` begins with, which is the
//! name of the type or the variant.

use std::{error::Error, fmt, io};

use super::{Failure, Phase, Type, errno};
use crate::{names::UNKNOWN, propagate::DeadlineExceeded};

/// Longer chains are walked no further; somebody made a ring.
const LONGEST: usize = 32;

/// What the sources of an error say, put together.
#[derive(Default)]
struct Seen {
    deadline: bool,
    timeout: bool,
    connecting: bool,
    tls: bool,
    request_body: bool,
    /// The protocol was broken, by this reason.
    protocol: Option<&'static str>,
    /// The deepest number that has a name.
    code: Option<&'static str>,
}

/// Tells what an error means that came in place of a head.
#[cold]
pub(crate) fn to_head(error: Option<&(dyn Error + 'static)>) -> Failure {
    let seen = Seen::by(error);
    if seen.deadline {
        return Failure::DEADLINE;
    }
    if seen.timeout {
        return Failure::timeout(if seen.connecting {
            Phase::Connect
        } else {
            Phase::Response
        });
    }
    let kind = match (seen.tls, seen.code, seen.protocol) {
        (true, ..) => Type::Tls,
        _ if seen.request_body => Type::Body,
        (_, None, Some(_)) => Type::Protocol,
        _ => Type::Connection,
    };
    Failure::new(kind, seen.code.or(seen.protocol).unwrap_or(UNKNOWN))
}

/// Tells what an error means that the body of an answer yielded.
#[cold]
pub(crate) fn in_body(error: Option<&(dyn Error + 'static)>) -> Failure {
    let seen = Seen::by(error);
    if seen.deadline {
        return Failure::DEADLINE;
    }
    if seen.timeout {
        return Failure::timeout(Phase::Body);
    }
    Failure::new(Type::Body, seen.code.or(seen.protocol).unwrap_or(UNKNOWN))
}

impl Seen {
    fn by(error: Option<&(dyn Error + 'static)>) -> Self {
        let mut seen = Self::default();
        for error in std::iter::successors(error, |error| below(*error)).take(LONGEST) {
            seen.look_at(error);
        }
        seen
    }

    fn look_at(&mut self, error: &(dyn Error + 'static)) {
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
            match errno::of(error) {
                "ETIMEDOUT" => self.timeout = true,
                UNKNOWN => {}
                code => self.code = Some(code),
            }
        } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
            self.timeout |= error.is_timeout();
            self.request_body |=
                error.is_user() && Word::of(error).text().starts_with("hyper::Error(User(Body)");
            if error.is_parse() {
                self.protocol = Some(UNKNOWN);
            }
        } else if let Some(error) = error.downcast_ref::<h2::Error>() {
            if let Some(reason) = error.reason() {
                self.protocol = Some(reason_name(reason));
            }
        } else if error.is::<tokio::time::error::Elapsed>() {
            self.timeout = true;
        } else {
            self.look_at_word(error);
        }
    }

    fn look_at_word(&mut self, error: &(dyn Error + 'static)) {
        let word = Word::of(error);
        match word.text().split(|byte: char| !byte.is_alphanumeric()).next() {
            // tower's, reqwest's and tonic's.
            Some("Elapsed" | "TimedOut" | "TimeoutExpired") => self.timeout = true,
            // hyper-util's connector and tonic's.
            Some("ConnectError") => self.connecting = true,
            // rustls.
            Some(
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
                | "DecryptError",
            ) => self.tls = true,
            // openssl.
            Some("ErrorStack" | "Ssl") => self.tls = true,
            _ if word
                .text()
                .starts_with("hyper_util::client::legacy::Error(Connect") =>
            {
                self.connecting = true
            }
            _ => {}
        }
    }
}

/// Returns the error's source, also where `source()` steps over it or keeps it back.
fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // `source()` of an error made of another is that other's source.
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
        _ => campanile_core::series::OTHER,
    }
}

/// The beginning of a text that somebody else formats.
struct Word {
    bytes: [u8; 64],
    len: usize,
}

impl Word {
    fn of(error: &dyn fmt::Debug) -> Self {
        let mut word = Self {
            bytes: [0; 64],
            len: 0,
        };
        // Fails when the buffer is full, which is when enough is known.
        let _full = fmt::write(&mut word, format_args!("{error:?}"));
        word
    }

    fn text(&self) -> &str {
        let bytes = &self.bytes[..self.len];
        str::from_utf8(bytes)
            .unwrap_or_else(|error| str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to there"))
    }
}

impl fmt::Write for Word {
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
            to_head(Some(&error)),
            Failure::new(Type::Connection, "ECONNRESET")
        );
        assert_eq!(in_body(Some(&error)), Failure::new(Type::Body, "ECONNRESET"));
    }

    #[test]
    fn a_time_limit_is_told_by_kind_and_by_type() {
        let error = Outer(io::Error::from(io::ErrorKind::TimedOut));
        assert_eq!(to_head(Some(&error)), Failure::timeout(Phase::Response));
        assert_eq!(in_body(Some(&error)), Failure::timeout(Phase::Body));
        let elapsed = tower::timeout::error::Elapsed::new();
        assert_eq!(to_head(Some(&elapsed)), Failure::timeout(Phase::Response));
        assert_eq!(to_head(Some(&DeadlineExceeded)), Failure::DEADLINE);
    }

    #[test]
    fn a_broken_protocol_has_its_reason() {
        let error = h2::Error::from(h2::Reason::ENHANCE_YOUR_CALM);
        assert_eq!(
            to_head(Some(&error)),
            Failure::new(Type::Protocol, "ENHANCE_YOUR_CALM")
        );
    }

    #[test]
    fn nothing_known_is_the_connection() {
        assert_eq!(to_head(None), Failure::new(Type::Connection, "unknown"));
        assert_eq!(
            to_head(Some(&fmt::Error)),
            Failure::new(Type::Connection, "unknown")
        );
    }
}
