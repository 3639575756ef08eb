//! The deadline of one call, and the mark of a response that it caused.

use std::{
    error::Error,
    fmt,
    time::{Duration, SystemTime},
};

use campanile_core::Deadline;

/// The deadline of one call. Goes into the request's extensions.
///
/// The nearer of this and the deadline of the request being served applies. It is a point in time, not a duration, so that
/// retries of the call share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallDeadline(Deadline);

impl CallDeadline {
    /// Makes a deadline `time` from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Deadline::after(time))
    }

    /// Makes a deadline at a time of the wall clock.
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

/// The deadline of the call passed before the response head. In the extensions of the response that the layer makes.
///
/// Implements [`Error`], for callers that need one:
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
