#![doc = include_str!("../README.md")]
//!
//! # Many processes
//!
//! Workers that share a port are scraped at random, so any of them must render the metrics of all. Given a directory,
//! each process records in a mapped file of its own there, at the same cost as in private memory, and renders the files
//! of all.
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
//!
//! | what | in a shared directory |
//! |---|---|
//! | counters, histograms | sums over all processes that ever recorded; no total falls when a process ends, however it ends |
//! | gauges | by [`GaugeMode`]: the sum over the live processes, the maximum, or one series each with a label `pid` (`7`, `7-2` for the second process of pid 7, as in two containers); gone with the process |
//! | histograms with different buckets, as during a roll-out | merged into the buckets that all of them have |
//! | a name that is another kind of metric in another process | rendered with the kind of the rendering process; `campanile_recorder_skipped_series` counts the others |
//! | the series limit | holds for the totals; the oldest series are kept |
//! | exemplars | those of the rendering process |
//! | state of the kernel that all processes share | recorded by the process for which [`CellRecorder::is_writer`] is true |
//! | malformed files, files of another major version or user | left alone; `campanile_recorder_skipped_files` counts them |
//! | what each process sends by itself, as to statsd | [`CellRecorder::own_snapshot`] |
//!
//! Opening the directory or taking a snapshot also compacts it: the counts of exited processes are moved to an archive
//! and their files removed, so that there are two or three files more than processes. No process waits for another: the
//! lock is only tried. Totals continue from the archive when the service restarts with the same directory, and from zero
//! with a new one.
//!
//! ## The directory
//!
//! It belongs to one service, on a local file system. A tmpfs avoids disk writes. Suitable are `/run/<service>`, as
//! systemd's `RuntimeDirectory=` creates it, or a subdirectory of `/dev/shm`. It must be owned by root or the user of the
//! process. One that the group or others may write to, such as a Kubernetes `emptyDir` (mode 0777), is not used itself:
//! a subdirectory `campanile-UID` with mode 0700 is, which must belong to the user of the process.
//!
//! Only regular files of that user with one name are read, merged or removed, at most 1 GiB each. Those of other processes
//! are read into memory, one after the other, and never mapped: a file that is truncated, sparse or malformed costs the
//! counts behind the damage and ends no process. Each process maps its own file, with mode 0600 and all its disk space
//! allocated. **What cannot be helped:** the same user and root can truncate that file, and a thread that records in the
//! missing part before it is extended again, within a second, ends the process by SIGBUS.
//!
//! When the file of a live process or the directory has been removed, the process makes it again within seconds, with all
//! its counts, logs that and counts it in `campanile_recorder_restored_files_total`. From then on the file is a copy, brought
//! up to date once a second: if the process is killed, the counts since then are lost. The totals of processes that had
//! exited are gone with the archive. Remove the directory only between runs of the service.
//!
//! A directory without space, or a read-only one, is an error when the process starts, or the process records in private
//! memory if [`RecorderBuilder::with_unshared_fallback`] is set.
//!
//! Unix only, 64-bit only. A child that is forked without exec must not record: it would write to the cells of its
//! parent. It also keeps the gauges of its parent alive, since the file stays locked until both have exited.

#![cfg_attr(
    not(unix),
    allow(dead_code, reason = "shared directories are supported on Unix only")
)]

mod bounds;
mod buckets;
mod builder;
mod cells;
mod deferred;
mod directory_error;
mod exact_sum;
mod exemplars;
mod gauge_mode;
mod handles;
mod labels;
mod matcher;
mod names;
#[cfg(unix)]
mod processes;
#[cfg(not(unix))]
#[path = "unsupported.rs"]
mod processes;
pub mod profile;
mod recorder;
mod registry;
mod render;
mod snapshot;
mod source_names;
#[cfg(feature = "statsd")]
pub mod statsd;
mod storage;

#[cfg(all(unix, fuzzing))]
#[doc(hidden)]
pub use self::processes::replay::{replay, replay_file};
#[doc(inline)]
pub use self::profile::Profile;
pub use self::{
    builder::RecorderBuilder,
    directory_error::DirectoryError,
    exemplars::ExemplarLabels,
    gauge_mode::GaugeMode,
    labels::Labels,
    matcher::Matcher,
    recorder::CellRecorder,
    render::{Chunks, Format},
    snapshot::{Distribution, Family, MetricKind, Series, Snapshot, Value},
};
