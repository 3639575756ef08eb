//! The time limits of a connection.

use std::time::Duration;

/// How long an idle connection that is closing stays open after its last byte, so that a request on its way is served.
pub(crate) const CLOSING_SILENCE: Duration = Duration::from_millis(200);

/// The longest that a partial head, a TLS handshake, an unacknowledged GOAWAY or the wait for the first byte keeps a
/// closing connection open.
pub(crate) const CLOSING_GRACE: Duration = Duration::from_secs(1);

/// After the stop timeout: the time to flush responses, then to end streams, then to read until the peer closes. The sum
/// is below the 250 ms that the lifecycle leaves for it.
pub(crate) const ABORT_FLUSH: Duration = Duration::from_millis(100);
pub(crate) const ABORT_STREAMS: Duration = Duration::from_millis(40);
pub(crate) const ABORT_LINGER: Duration = Duration::from_millis(90);

/// The longest to read on from an HTTP/2 client that is still receiving its responses.
pub(crate) const HTTP2_LINGER: Duration = Duration::from_secs(10);

/// The longest that a client that takes nothing, and sends what it likes, delays the end of its connection after the
/// GOAWAY.
pub(crate) const STALLED_GRACE: Duration = Duration::from_secs(5);

/// The last look at the socket before a timeout takes effect: a turn of the runtime.
pub(crate) const LAST_LOOK: Duration = Duration::from_millis(50);

/// A timer that is later than this has not been late on its own: the process was frozen, or has no time to run.
pub(crate) const FROZEN: Duration = Duration::from_secs(1);

/// The interval of HTTP/2 pings, and the time for their acknowledgement.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(30);
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest time limit: its sum with the age of a process does not overflow.
pub(crate) const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The time limits that the builder sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionTimeouts {
    /// For a request head, from its first byte; for HTTP/2, from the preface to the first request.
    pub(crate) header_read: Duration,
    /// From the accept, or the end of the TLS handshake, to the bytes that identify the protocol.
    pub(crate) sniff: Duration,
    /// For the TLS handshake.
    #[cfg(feature = "tls")]
    pub(crate) handshake: Duration,
    /// Between bytes of a request body that its handler reads.
    pub(crate) body_read: Option<Duration>,
    /// Without a request, or without progress of a response.
    pub(crate) idle: Option<Duration>,
    /// The age at which a connection is closed, plus or minus a tenth.
    pub(crate) max_age: Option<Duration>,
}

impl Default for ConnectionTimeouts {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(30),
            sniff: Duration::from_secs(10),
            #[cfg(feature = "tls")]
            handshake: Duration::from_secs(10),
            body_read: Some(Duration::from_secs(60)),
            // Above the 60 s of common load balancers, which should be the side that closes.
            idle: Some(Duration::from_secs(75)),
            max_age: None,
        }
    }
}
