//! Why a call failed, as bounded label values.

mod classify;
mod debug_words;
#[cfg(feature = "connect")]
mod eai;

pub(crate) use self::classify::{grpc_code, of_body, of_call};
#[cfg(feature = "connect")]
pub(crate) use self::eai::eai_name;

/// Why a call counts as an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) error_type: ErrorType,
    /// One of a closed list of names. Empty for [`ErrorType::Http`], whose code is the status.
    pub(crate) code: &'static str,
    /// The phase in which a time limit ended the call, if one did.
    pub(crate) timeout: Option<TimeoutPhase>,
}

/// The value of the label `error_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ErrorType {
    Http,
    Timeout,
    Connection,
    Tls,
    Protocol,
    Body,
    Cancelled,
}

/// The value of the label `phase`: what a call that took too long was waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TimeoutPhase {
    Connect,
    Response,
    Body,
    Deadline,
}

impl Failure {
    pub(crate) const CANCELLED: Self = Self::new(ErrorType::Cancelled, crate::names::UNKNOWN);
    pub(crate) const HTTP: Self = Self::new(ErrorType::Http, "");
    pub(crate) const DEADLINE: Self = Self::timeout(TimeoutPhase::Deadline);

    pub(crate) const fn new(error_type: ErrorType, code: &'static str) -> Self {
        Self {
            error_type,
            code,
            timeout: None,
        }
    }

    pub(crate) const fn timeout(phase: TimeoutPhase) -> Self {
        Self {
            error_type: ErrorType::Timeout,
            code: "ETIMEDOUT",
            timeout: Some(phase),
        }
    }
}

impl ErrorType {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Body => "body",
            Self::Cancelled => "cancelled",
        }
    }
}

impl TimeoutPhase {
    pub(crate) const ALL: [Self; 4] = [Self::Connect, Self::Response, Self::Body, Self::Deadline];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Response => "response",
            Self::Body => "body",
            Self::Deadline => "deadline",
        }
    }
}
