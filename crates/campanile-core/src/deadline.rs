//! Until when an answer is wanted, and how that stands in headers.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{grpc, headers};

/// The moment after which nobody wants the answer any more.
///
/// Kept on both clocks: the wall clock's is what travels, the monotonic one decides here, so that a clock that is set
/// while the request runs changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    wall: SystemTime,
    here: Instant,
    passed_on_arrival: bool,
}

/// A deadline header that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnreadableDeadline(());

/// The longest time a deadline is kept for; what lies beyond is no deadline to anybody.
const FURTHEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The last microsecond of the year 9999, from the epoch.
const LAST_WRITABLE: Duration = Duration::from_micros(253_402_300_800 * 1_000_000 - 1);

impl Deadline {
    /// Makes the deadline that lies `time` from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        let time = time.min(FURTHEST);
        Self {
            wall: SystemTime::now() + time,
            here: Instant::now() + time,
            passed_on_arrival: time.is_zero(),
        }
    }

    /// Makes the deadline at a moment of the wall clock.
    #[must_use]
    pub fn at(wall: SystemTime) -> Self {
        let left = wall
            .duration_since(SystemTime::now())
            .unwrap_or_default()
            .min(FURTHEST);
        Self {
            wall,
            here: Instant::now() + left,
            passed_on_arrival: left.is_zero(),
        }
    }

    /// Reads `grpc-timeout` on a gRPC request, else `X-Request-Deadline`: RFC 3339 in UTC, the fraction optional,
    /// blanks around it no part of it.
    ///
    /// # Errors
    ///
    /// When the header is there but is not of its form, or names a year outside 1970 to 9999. Then there is no
    /// deadline.
    #[inline]
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, UnreadableDeadline> {
        static NAMES: [HeaderName; 2] = [headers::GRPC_TIMEOUT, headers::X_REQUEST_DEADLINE];
        let names = [&NAMES[0], &NAMES[1]];
        if !headers::has_any(headers, names) {
            return Ok(None);
        }
        Self::read(headers, headers::find_each(headers, names))
    }

    #[cold]
    fn read(
        headers: &HeaderMap,
        [timeout, deadline]: [Option<&HeaderValue>; 2],
    ) -> Result<Option<Self>, UnreadableDeadline> {
        if let Some(value) = timeout
            && grpc::is_grpc(headers)
        {
            let timeout = grpc::parse_timeout(value).ok_or(UnreadableDeadline(()))?;
            return Ok(Some(Self::after(timeout)));
        }
        let Some(value) = deadline else {
            return Ok(None);
        };
        let text = value.to_str().map_err(|_| UnreadableDeadline(()))?.trim_ascii();
        if !ends_well(text.as_bytes()) {
            return Err(UnreadableDeadline(()));
        }
        let wall = humantime::parse_rfc3339(text).map_err(|_| UnreadableDeadline(()))?;
        Ok(Some(Self::at(wall)))
    }

    /// Returns the deadline as the value of `X-Request-Deadline`: UTC with six digits of a second and `Z`.
    ///
    /// The form has the years from 1970 to 9999; a moment outside becomes the nearest within.
    #[must_use]
    pub fn to_header(self) -> HeaderValue {
        let last = SystemTime::UNIX_EPOCH + LAST_WRITABLE;
        let wall = self.wall.clamp(SystemTime::UNIX_EPOCH, last);
        let text = humantime::format_rfc3339_micros(wall).to_string();
        HeaderValue::try_from(text).expect("a formatted time is ASCII")
    }

    /// Returns the time left, zero if the deadline has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        if self.passed_on_arrival {
            return Duration::ZERO;
        }
        self.here.saturating_duration_since(Instant::now())
    }

    /// Tells whether the deadline has passed.
    #[must_use]
    pub fn is_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// Returns the nearer of the two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other.here < self.here { other } else { self }
    }

    /// Returns the deadline on the monotonic clock.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.here
    }
}

/// Tells whether nothing but a fraction and the zone stands behind the seconds, where humantime takes `Z...Z` too, and a
/// point without digits.
fn ends_well(text: &[u8]) -> bool {
    let behind = text.get("2018-02-14T00:28:07".len()..).unwrap_or_default();
    let fraction = behind
        .strip_suffix(b"Z")
        .or_else(|| behind.strip_suffix(b"+00:00"));
    match fraction {
        None => false,
        Some([]) => true,
        Some([point, digits @ ..]) => {
            *point == b'.' && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        }
    }
}

impl fmt::Display for UnreadableDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a deadline is a time in RFC 3339 in UTC, or a gRPC timeout of up to eight digits and a unit",
        )
    }
}

impl std::error::Error for UnreadableDeadline {}
