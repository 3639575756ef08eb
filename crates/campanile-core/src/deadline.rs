//! Request deadlines, and the headers that carry them.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{grpc, headers};

/// The moment after which the response to a request is of no use.
///
/// Held on both clocks: the wall-clock time is sent to other services, the monotonic time decides in this process, so
/// that setting the wall clock does not change the deadline of a running request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    wall: SystemTime,
    monotonic: Instant,
    passed_on_arrival: bool,
}

/// An invalid deadline header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidDeadline(());

/// The longest remaining time; a later deadline is cut to it.
const MAX_REMAINING: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The last microsecond of the year 9999, since the Unix epoch.
const MAX_RFC3339: Duration = Duration::from_micros(253_402_300_800 * 1_000_000 - 1);

impl Deadline {
    /// Creates a deadline `time` from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        let time = time.min(MAX_REMAINING);
        Self {
            wall: SystemTime::now() + time,
            monotonic: Instant::now() + time,
            passed_on_arrival: time.is_zero(),
        }
    }

    /// Creates a deadline at a wall-clock time.
    #[must_use]
    pub fn at(wall: SystemTime) -> Self {
        let left = wall
            .duration_since(SystemTime::now())
            .unwrap_or_default()
            .min(MAX_REMAINING);
        Self {
            wall,
            monotonic: Instant::now() + left,
            passed_on_arrival: left.is_zero(),
        }
    }

    /// Parses `grpc-timeout` on gRPC requests, otherwise `X-Request-Deadline`: RFC 3339 in UTC with an optional
    /// fraction. Surrounding whitespace is ignored. Returns `None` without such a header.
    ///
    /// # Errors
    ///
    /// If the value is malformed, or its year is not within 1970 to 9999.
    #[inline]
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, InvalidDeadline> {
        static NAMES: [HeaderName; 2] = [headers::GRPC_TIMEOUT, headers::X_REQUEST_DEADLINE];
        let names = [&NAMES[0], &NAMES[1]];
        if !headers::has_any(headers, names) {
            return Ok(None);
        }
        Self::parse(headers, headers::find_each(headers, names))
    }

    #[cold]
    fn parse(
        headers: &HeaderMap,
        [timeout, deadline]: [Option<&HeaderValue>; 2],
    ) -> Result<Option<Self>, InvalidDeadline> {
        if let Some(value) = timeout
            && grpc::is_grpc(headers)
        {
            let timeout = grpc::parse_timeout(value).ok_or(InvalidDeadline(()))?;
            return Ok(Some(Self::after(timeout)));
        }
        let Some(value) = deadline else {
            return Ok(None);
        };
        let text = value.to_str().map_err(|_| InvalidDeadline(()))?.trim_ascii();
        if !has_valid_fraction(text.as_bytes()) {
            return Err(InvalidDeadline(()));
        }
        let wall = humantime::parse_rfc3339(text).map_err(|_| InvalidDeadline(()))?;
        Ok(Some(Self::at(wall)))
    }

    /// Returns the value of `X-Request-Deadline`: RFC 3339 in UTC with microseconds and `Z`.
    ///
    /// A time outside the years 1970 to 9999 is clamped to them.
    #[must_use]
    pub fn to_header(self) -> HeaderValue {
        let last = SystemTime::UNIX_EPOCH + MAX_RFC3339;
        let wall = self.wall.clamp(SystemTime::UNIX_EPOCH, last);
        let text = humantime::format_rfc3339_micros(wall).to_string();
        HeaderValue::try_from(text).expect("a formatted time is ASCII")
    }

    /// Returns the remaining time; zero if the deadline has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        if self.passed_on_arrival {
            return Duration::ZERO;
        }
        self.monotonic.saturating_duration_since(Instant::now())
    }

    /// Returns whether the deadline has passed.
    #[must_use]
    pub fn is_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// Returns the earlier of two deadlines.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other.monotonic < self.monotonic {
            other
        } else {
            self
        }
    }

    /// Returns the deadline on the monotonic clock.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.monotonic
    }
}

/// Returns whether the seconds are followed by an optional fraction and the UTC offset only. humantime also accepts
/// `Z...Z` and a point without digits.
fn has_valid_fraction(text: &[u8]) -> bool {
    let rest = text.get("2018-02-14T00:28:07".len()..).unwrap_or_default();
    let fraction = rest.strip_suffix(b"Z").or_else(|| rest.strip_suffix(b"+00:00"));
    match fraction {
        None => false,
        Some([]) => true,
        Some([point, digits @ ..]) => {
            *point == b'.' && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
    }
}

impl fmt::Display for InvalidDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "invalid deadline: expected RFC 3339 in UTC, or a gRPC timeout of one to eight digits and a unit",
        )
    }
}

impl std::error::Error for InvalidDeadline {}
