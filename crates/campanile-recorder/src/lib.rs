#![doc = include_str!("../README.md")]
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
//! The directory is to be of one service and on a local file system; one in memory saves the disk the writing.
//! It must be root's or the user's own, and only that user should be able to write to it: `/run/<service>`, not
//! `/dev/shm` or `/tmp` themselves. Unix only. A child that is forked and does not run another program must not count: it would do so in its
//! parent's words. It also keeps its parent's gauges: the file is locked until both are gone.

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
