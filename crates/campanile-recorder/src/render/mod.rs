//! Prometheus' text format and OpenMetrics, of a snapshot.

mod accept;
mod chunks;
mod clashes;
mod number;
mod text;

pub use self::chunks::Chunks;

/// The text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Prometheus' text format 0.0.4, which everything reads.
    Prometheus,
    /// OpenMetrics 1.0: the same with units and exemplars. A counter's samples end in `_total` there, so `hits` is rendered
    /// as `hits_total`, unless another family is called so.
    OpenMetrics,
}

impl Format {
    /// Returns the value of the `Content-Type` header.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}
