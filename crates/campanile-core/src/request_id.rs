//! The id of a request.

use std::{error::Error, fmt};

use bytes::Bytes;
use http::HeaderValue;
use rand::Rng;

use crate::clock::FastInstant;

/// The id that links one request to every call it causes.
///
/// 1 to 256 bytes of visible ASCII without `,`, `;` and `"`: valid in headers, log lines and label values as it is.
/// Cloning does not copy the text.
///
/// ```
/// use campanile_core::RequestId;
///
/// let incoming: RequestId = "order-7".parse()?;
/// let outgoing = incoming.compose();
/// assert!(outgoing.as_str().ends_with("-order-7"));
/// assert_eq!(outgoing.as_str().len(), 16 + 1 + 7);
/// # Ok::<(), campanile_core::InvalidRequestId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(HeaderValue);

/// The error of parsing a [`RequestId`]: the value is empty, longer than 256 bytes, or has an invalid byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidRequestId(Reason);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Length(usize),
    Byte(u8),
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Length of the generated hex digits and the dash before an incoming id.
const PREFIX_LEN: usize = 17;

impl RequestId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Fills a vacant context; a valid id is never empty.
    pub(crate) const VACANT: Self = Self(HeaderValue::from_static(""));

    /// Generates a new id: a random UUID (version 4) in text form.
    #[must_use]
    pub fn generate() -> Self {
        let [high, low] = random();
        let high = hex((high & 0xffff_ffff_ffff_0fff) | 0x4000);
        let low = hex((low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000);
        let mut text = [b'-'; 36];
        text[0..8].copy_from_slice(&high[0..8]);
        text[9..13].copy_from_slice(&high[8..12]);
        text[14..18].copy_from_slice(&high[12..16]);
        text[19..23].copy_from_slice(&low[0..4]);
        text[24..36].copy_from_slice(&low[4..16]);
        // `from_owner` allocates text and reference count together; `Bytes` of a vector allocates again on the first
        // clone.
        Self::from_checked(Bytes::from_owner(text))
    }

    /// Parses the value of a header. Surrounding whitespace is ignored.
    ///
    /// # Errors
    ///
    /// If the rest is empty, longer than [`Self::MAX_LEN`], or has an invalid byte.
    #[inline]
    pub fn from_header(value: &HeaderValue) -> Result<Self, InvalidRequestId> {
        let bytes = value.as_bytes();
        let trimmed = bytes.trim_ascii();
        check(trimmed)?;
        if trimmed.len() == bytes.len() {
            return Ok(Self(value.clone()));
        }
        Ok(Self::from_checked(Bytes::copy_from_slice(trimmed)))
    }

    /// Composes the id of an outgoing call made for this request: 16 random hex digits, `-`, this id.
    ///
    /// Beyond [`Self::MAX_LEN`] the front of this id is cut, never its end: an id of up to 239 bytes stays complete at
    /// the end of every id composed from it.
    #[must_use]
    pub fn compose(&self) -> Self {
        let whole = self.0.as_bytes();
        let kept = &whole[whole.len().saturating_sub(Self::MAX_LEN - PREFIX_LEN)..];
        let [prefix] = random();
        let mut text = Vec::with_capacity(PREFIX_LEN + kept.len());
        text.extend_from_slice(&hex(prefix));
        text.push(b'-');
        text.extend_from_slice(kept);
        Self::from_checked(text.into())
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.0.as_bytes()).expect("an id is ASCII")
    }

    /// Returns the id as a header value.
    #[inline]
    #[must_use]
    pub fn as_header(&self) -> &HeaderValue {
        &self.0
    }

    /// Converts the id into a header value.
    #[inline]
    #[must_use]
    pub fn into_header(self) -> HeaderValue {
        self.0
    }

    fn from_checked(text: Bytes) -> Self {
        Self(HeaderValue::from_maybe_shared(text).expect("an id is visible ASCII"))
    }
}

impl std::str::FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim_ascii().as_bytes();
        check(trimmed)?;
        Ok(Self::from_checked(Bytes::copy_from_slice(trimmed)))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({})", self.as_str())
    }
}

impl fmt::Display for InvalidRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Reason::Length(len) => {
                write!(
                    f,
                    "invalid request id: {len} bytes, expected 1 to {}",
                    RequestId::MAX_LEN
                )
            }
            Reason::Byte(byte) => write!(f, "invalid request id: byte {byte:#04x} is not allowed"),
        }
    }
}

impl Error for InvalidRequestId {}

/// Returns whether a byte is valid in an id: visible ASCII except the separators of header and label values.
#[inline]
const fn is_allowed(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) & (byte != b',') & (byte != b';') & (byte != b'"')
}

#[inline]
fn check(bytes: &[u8]) -> Result<(), InvalidRequestId> {
    if bytes.is_empty() || bytes.len() > RequestId::MAX_LEN {
        return Err(InvalidRequestId(Reason::Length(bytes.len())));
    }
    // Blocks without an early exit vectorize. The last block may overlap the one before.
    let valid = match bytes.last_chunk::<16>() {
        Some(last) => {
            let (blocks, _) = bytes.as_chunks::<16>();
            let mut rejected = [0; 16];
            mark_rejected(&mut rejected, last);
            for block in blocks {
                mark_rejected(&mut rejected, block);
            }
            rejected == [0; 16]
        }
        None => bytes.iter().all(|byte| is_allowed(*byte)),
    };
    if valid {
        return Ok(());
    }
    Err(InvalidRequestId(Reason::Byte(first_rejected(bytes))))
}

/// Marks the positions of invalid bytes.
#[inline]
fn mark_rejected(rejected: &mut [u8; 16], block: &[u8; 16]) {
    for (rejected, byte) in rejected.iter_mut().zip(block) {
        *rejected |= u8::from(!is_allowed(*byte));
    }
}

#[cold]
fn first_rejected(bytes: &[u8]) -> u8 {
    let rejected = bytes.iter().copied().find(|byte| !is_allowed(*byte));
    rejected.unwrap_or_default()
}

/// Formats a number as sixteen hex digits.
#[inline]
fn hex(value: u64) -> [u8; 16] {
    let mut text = [0; 16];
    for (digits, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(value.to_be_bytes()) {
        *digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
    }
    text
}

/// Returns `N` random words from the thread's cryptographic generator, mixed with the clock: after a fork without exec
/// the child has a copy of the generator, but does not draw at the same tick.
#[inline]
fn random<const N: usize>() -> [u64; N] {
    let mut generator = rand::rng();
    let tick = FastInstant::now().spread();
    std::array::from_fn(|_| generator.next_u64() ^ tick)
}

/// Reseeds the request id generator of this thread from the operating system.
///
/// To be called in the child after a fork without exec, which copies the generator. Ids of parent and child differ
/// without it, since each is mixed with the clock; with a new seed they also cannot be predicted from each other.
///
/// # Errors
///
/// If the operating system returns no random bytes.
pub fn reseed() -> std::io::Result<()> {
    rand::rng().reseed().map_err(std::io::Error::other)
}
