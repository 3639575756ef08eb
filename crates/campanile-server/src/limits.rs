//! The limits of HTTP that the builder sets, and hyper's builders with them.

use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;

use crate::connection::GraceTimer;
use crate::timeouts::{PING_INTERVAL, PING_TIMEOUT};

/// hyper's default, for which it needs no allocation per request.
const HYPER_MAX_HEADERS: usize = 100;

/// hyper's default size of its buffers.
const HYPER_BUFFER: usize = 8192 + 4096 * 100;

/// What HTTP/2 adds to the size of each header field: RFC 9113, section 6.5.2.
const HTTP2_FIELD_OVERHEAD: usize = 32;

/// The largest flow-control window: RFC 9113, section 6.9.1.
pub(crate) const MAX_WINDOW: u32 = i32::MAX as u32;

/// The window that each HTTP/2 connection begins with.
pub(crate) const MIN_CONNECTION_WINDOW: u32 = 65_535;

/// The limits of HTTP that the builder sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpLimits {
    /// The size of a request head as HTTP/1 spells it, in bytes.
    pub(crate) max_head_bytes: usize,
    pub(crate) max_headers: usize,
    pub(crate) h2_max_streams: u32,
    /// Flow-control windows, in bytes.
    pub(crate) h2_stream_window: u32,
    pub(crate) h2_connection_window: u32,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            max_head_bytes: 64 * 1024,
            max_headers: HYPER_MAX_HEADERS,
            h2_max_streams: 200,
            h2_stream_window: 1024 * 1024,
            h2_connection_window: 1024 * 1024,
        }
    }
}

impl HttpLimits {
    /// Returns the name of a setting that is zero.
    pub(crate) fn zero(&self) -> Option<&'static str> {
        let settings = [
            ("max_head_bytes", self.max_head_bytes == 0),
            ("max_headers", self.max_headers == 0),
            ("h2_max_streams", self.h2_max_streams == 0),
            ("h2_stream_window", self.h2_stream_window == 0),
        ];
        let zero = settings.iter().find(|(_, is_zero)| *is_zero);
        zero.map(|(name, _)| *name)
    }

    /// Returns a builder without hyper's timer for heads. That one starts while a kept-alive connection is idle, which would
    /// limit the idle time, and allocates for each request; the connection's task keeps this time instead.
    pub(crate) fn http1_builder(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_header_size(self.max_head_bytes);
        if self.max_headers != HYPER_MAX_HEADERS {
            builder.max_headers(self.max_headers);
        }
        if self.max_head_bytes > HYPER_BUFFER {
            builder.max_buf_size(self.max_head_bytes);
        }
        builder
    }

    /// Returns a builder whose limit of the head is above ours, so that most heads above ours reach the service, which
    /// explains the refusal. `h2` itself responds with a bare 431.
    pub(crate) fn http2_builder<E: Clone>(&self, executor: E) -> http2::Builder<E> {
        let overhead = self.max_headers.saturating_mul(HTTP2_FIELD_OVERHEAD);
        let list_size = self.max_head_bytes.saturating_mul(2).saturating_add(overhead);
        let mut builder = http2::Builder::new(executor);
        builder
            .timer(GraceTimer)
            .enable_connect_protocol()
            .max_concurrent_streams(self.h2_max_streams)
            .initial_stream_window_size(self.h2_stream_window)
            .initial_connection_window_size(self.h2_connection_window)
            .max_header_list_size(u32::try_from(list_size).unwrap_or(u32::MAX))
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        builder
    }
}
