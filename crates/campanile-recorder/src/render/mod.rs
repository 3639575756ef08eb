//! Renders snapshots in Prometheus' text format and OpenMetrics.

mod chunks;
mod format;
mod name_conflicts;
mod number;
mod text;

pub use self::{chunks::Chunks, format::Format};
