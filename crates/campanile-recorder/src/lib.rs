//! A [`metrics`] recorder whose memory does not grow with what is counted.
//!
//! Exporters that keep each observation until somebody scrapes grow without end when nobody does, and threads that
//! count in one place wait for one another. Here each thread has words of its own, in which it counts by a load, an
//! addition and a store; whoever wants to know adds them up.
//!
//! ```
//! use campanile_recorder::{CellRecorder, Format, Matcher};
//!
//! let recorder = CellRecorder::builder()
//!     .with_buckets(Matcher::suffix("_wait_seconds"), &[0.001, 0.01, 0.1, 1.0])
//!     .build();
//! metrics::set_global_recorder(recorder.clone())?;
//!
//! metrics::counter!("hits_total", "kind" => "new").increment(2);
//! metrics::histogram!("queue_wait_seconds").record(0.004);
//!
//! let text = recorder.render(Format::Prometheus);
//! assert!(text.contains("hits_total{kind=\"new\"} 2\n"));
//! assert!(text.contains("queue_wait_seconds_bucket{le=\"0.01\"} 1\n"));
//! # Ok::<(), metrics::SetRecorderError<CellRecorder>>(())
//! ```
//!
//! | what | is |
//! |---|---|
//! | a counter, a gauge | a word of 8 bytes for each thread that counted |
//! | a histogram | such a word for each bucket, and one for the sum |
//! | its buckets | set by [`Builder::with_buckets`], else chosen by the unit of its description or the ending of its name |
//! | more than 10,000 series of one metric | one more, labelled `otel_metric_overflow="true"` |
//! | registration | a lock; keep the handles |
//!
//! Names and labels that Prometheus does not allow are made valid: `http.hits` and `http_hits` are one metric. A name has
//! one kind; a registration as another is ignored, and counted.
//!
//! # What it does not do
//!
//! No summaries, no native histograms, no expiry of series that stand still: a handle that somebody keeps must never
//! count into nothing. Numbers that are not finite are not observed, nor added to a gauge.

#![cfg_attr(
    not(unix),
    allow(dead_code, reason = "what files of many processes need is used on Unix only")
)]

mod bounds;
mod buckets;
mod cells;
mod exemplars;
mod gather;
mod handles;
mod labels;
mod layers;
mod memory;
mod names;
mod processes;
pub mod profile;
mod recorder;
mod registry;
mod render;
mod snapshot;
#[cfg(feature = "statsd")]
pub mod statsd;
mod sum;

#[cfg(all(unix, fuzzing))]
#[doc(hidden)]
pub use self::processes::replay::replay;
#[doc(inline)]
pub use self::profile::Profile;
pub use self::{
    buckets::Matcher,
    exemplars::ExemplarLabels,
    labels::Labels,
    processes::{DirectoryError, GaugeMode},
    recorder::{Builder, CellRecorder},
    render::{Chunks, Format},
    snapshot::{Distribution, Family, Kind, Series, Snapshot, Value},
};
