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
//! # Many processes
//!
//! Workers of one service that share a port are scraped by chance: whichever answers must tell of all. Given a directory,
//! each counts in a mapped file of its own there, by the same loads and stores, and each renders the files of all.
//!
//! ```
//! use campanile_recorder::{CellRecorder, Format, GaugeMode, Matcher};
//! use metrics::with_local_recorder;
//!
//! # if cfg!(not(unix)) { return Ok(()); }
//! # let directory = std::env::temp_dir().join(format!("campanile-recorder-doc-{}", std::process::id()));
//! // Two recorders, as if of two processes.
//! let recorder = || {
//!     CellRecorder::builder()
//!         .with_gauge_mode(Matcher::name("config_version"), GaugeMode::Max)
//!         .open(&directory)
//! };
//! let (first, second) = (recorder()?, recorder()?);
//! for (recorder, hits) in [(&first, 2), (&second, 40)] {
//!     with_local_recorder(recorder, || {
//!         metrics::counter!("hits_total").increment(hits);
//!         metrics::gauge!("active_requests").set(1.0);
//!         metrics::gauge!("config_version").set(7.0);
//!     });
//! }
//! let text = first.render(Format::Prometheus);
//! assert!(text.contains("hits_total 42\n"));
//! assert!(text.contains("active_requests 2\n"));
//! assert!(text.contains("config_version 7\n"));
//!
//! drop(second);
//! let text = first.render(Format::Prometheus);
//! assert!(text.contains("hits_total 42\n"));
//! assert!(text.contains("active_requests 1\n"));
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | what | becomes |
//! |---|---|
//! | counters and histograms | sums over all processes that ever were; no total falls when one ends, however it ends |
//! | gauges | by [`GaugeMode`]: the sum over those that live, or the largest, or each with its `pid`; gone with the process |
//! | histograms whose buckets differ, in a roll-out | merged in the buckets that all of them have |
//! | a name that is of another kind elsewhere | the kind of the process that renders; the other is left out, and `campanile_recorder_skipped_series` says so |
//! | the limit of series | holds over all; the oldest stay |
//! | exemplars | those of the process that renders |
//! | what the kernel owns and all share | written by whoever [`CellRecorder::is_writer`] |
//! | files that make no sense, or are of another major version | left where they are; `campanile_recorder_skipped_files` counts them |
//! | what each sends by itself | [`CellRecorder::own_snapshot`] |
//!
//! Whoever renders, or opens the directory, moves the counts of processes that are gone to an archive and removes their
//! files: there are as many files as processes, and two or three. Nobody waits for that: it is done by whoever gets a lock
//! that is only tried. The totals go on from the archive when the service starts again in the same directory; in a new
//! one they begin at zero.
//!
//! The directory is to be of one service and on a local file system; one in memory (`/run`, `/dev/shm`) saves the disk
//! the writing. Unix only. A child that is forked and does not run another program must not count: it would do so in its
//! parent's words.
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
mod builder;
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
    builder::Builder,
    exemplars::ExemplarLabels,
    labels::Labels,
    processes::{DirectoryError, GaugeMode},
    recorder::CellRecorder,
    render::{Chunks, Format},
    snapshot::{Distribution, Family, Kind, Series, Snapshot, Value},
};
