//! How long a connection may take for what.

use std::time::Duration;

/// How long an idle connection that is to leave stays open after its last byte: what is on the way arrives, and is
/// served.
pub(crate) const SILENCE: Duration = Duration::from_millis(200);

/// The longest that a started head, a TLS handshake, an unanswered GOAWAY or the first byte, counted from the accept,
/// holds a connection that is to leave.
pub(crate) const TO_LEAVE: Duration = Duration::from_secs(1);

/// After the cut: how long answers have to be flushed, then the ends of streams, then the peer's farewell. Together
/// they stay below the 250 ms that the lifecycle gives those who cut.
pub(crate) const TO_FLUSH: Duration = Duration::from_millis(100);
pub(crate) const TO_END_STREAMS: Duration = Duration::from_millis(40);
pub(crate) const TO_LINGER: Duration = Duration::from_millis(90);

/// The longest that an HTTP/2 client which goes on taking its answers holds a connection that is done.
pub(crate) const TO_TAKE_ANSWERS: Duration = Duration::from_secs(10);

/// How often an HTTP/2 client is asked whether it is there, and how long it may take to say so.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(30);
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What stands for ever: sums of it with any time of a process do not overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What the builder sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the first byte of a head to its last, and for HTTP/2 from the preface to the first request.
    pub(crate) header_read: Duration,
    /// From the accept, or the end of the TLS handshake, to the bytes that tell the protocol.
    pub(crate) sniff: Duration,
    /// For the TLS handshake.
    #[cfg(feature = "tls")]
    pub(crate) handshake: Duration,
    /// Without a request, or without a byte of an answer being taken.
    pub(crate) idle: Option<Duration>,
    /// From the accept on, give or take a tenth.
    pub(crate) max_age: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(30),
            sniff: Duration::from_secs(10),
            #[cfg(feature = "tls")]
            handshake: Duration::from_secs(10),
            // Above the 60 s after which the usual load balancers close, who would else meet a closed connection.
            idle: Some(Duration::from_secs(75)),
            max_age: None,
        }
    }
}
