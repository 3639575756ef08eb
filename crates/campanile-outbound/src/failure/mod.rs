//! What went wrong with a call, in words that are bounded.

mod errno;
mod walk;

#[cfg(feature = "connect")]
pub(crate) use self::errno::eai_name;
pub(crate) use self::walk::{in_body, to_head};

/// The value of the label `error_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Type {
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
pub(crate) enum Phase {
    Connect,
    Response,
    Body,
    Deadline,
}

/// Why a call counts as an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Type,
    /// One of a closed list of names. For [`Type::Http`] it is empty: there the status is the code.
    pub(crate) code: &'static str,
    pub(crate) phase: Option<Phase>,
}

impl Failure {
    pub(crate) const CANCELLED: Self = Self::new(Type::Cancelled, crate::names::UNKNOWN);
    pub(crate) const HTTP: Self = Self::new(Type::Http, "");
    pub(crate) const DEADLINE: Self = Self::timeout(Phase::Deadline);

    pub(crate) const fn new(kind: Type, code: &'static str) -> Self {
        Self {
            kind,
            code,
            phase: None,
        }
    }

    pub(crate) const fn timeout(phase: Phase) -> Self {
        Self {
            kind: Type::Timeout,
            code: "ETIMEDOUT",
            phase: Some(phase),
        }
    }
}

impl Type {
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

impl Phase {
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
