//! Until when an answer to a call is wanted, and what is there when it is not.

use std::{
    error::Error,
    fmt,
    time::{Duration, SystemTime},
};

use campanile_core::Deadline;

/// Until when an answer to this call is wanted. Goes into the request's extensions.
///
/// Of this and the deadline of the request being served the nearer one counts. It is a moment, not a time, so that
/// retries of the call share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallDeadline(Deadline);

impl CallDeadline {
    /// Makes the deadline that lies `time` from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Deadline::after(time))
    }

    /// Makes the deadline at a moment of the wall clock.
    #[must_use]
    pub fn at(wall: SystemTime) -> Self {
        Self(Deadline::at(wall))
    }

    #[inline]
    pub(super) fn deadline(self) -> Deadline {
        self.0
    }
}

impl From<Deadline> for CallDeadline {
    fn from(deadline: Deadline) -> Self {
        Self(deadline)
    }
}

/// The call's deadline passed before there was a head. Stands in the extensions of the answer that says so.
///
/// An [`Error`], for callers who want one:
///
/// ```
/// use campanile_outbound::DeadlineExceeded;
///
/// fn or_error<B>(response: http::Response<B>) -> Result<http::Response<B>, DeadlineExceeded> {
///     match response.extensions().get::<DeadlineExceeded>() {
///         Some(exceeded) => Err(exceeded.clone()),
///         None => Ok(response),
///     }
/// }
/// # assert!(or_error(http::Response::new(())).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadlineExceeded;

impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline of the call has passed")
    }
}

impl Error for DeadlineExceeded {}
