//! Profiles: what the layers record, under the names of an older system or of your house.
//!
//! The layers speak one language. A [`Profile`] is a table that translates: each [`Row`] names a source metric and the
//! target that it becomes, with which [`Label`]s, in which order and unit. It is laid over a recorder, any recorder.
//!
//! ```
//! use campanile_recorder::profile::{Label, Profile, Row};
//!
//! const PATH: Label = Label::from_source("path", "http_route");
//! const CODE: Label = Label::from_source("code", "http_response_status_code").with_default("none");
//!
//! const HOUSE: [Row; 3] = [
//!     Row::counter("http_server_requests_total", "acme_in_total").with_labels(&[PATH, CODE]),
//!     Row::histogram("http_server_request_duration_seconds", "acme_in_ms").with_labels(&[PATH]).in_milliseconds(),
//!     Row::gauge("http_server_active_requests", "acme_in_flight").with_labels(&[]),
//! ];
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let exporter = metrics::NoopRecorder;
//! metrics::set_global_recorder(Profile::new(HOUSE)?.over(exporter))?;
//! # Ok(())
//! # }
//! ```
//!
//! | profile | what it gives |
//! |---|---|
//! | [`Profile::talisker`] | `requests_*` and `wsgi_*`, scraped or as dotted statsd lines |
//! | [`Profile::gunicorn`] | the gauges of gunicorn's monitor threads, scraped |
//! | [`Profile::gunicorn_statsd`] | `gunicorn.*`, as gunicorn's instrumentation sends it |
//! | [`Profile::baseplate`] | `http_server_*` and `http_client_*` as baseplate has them, scraped |
//! | [`Profile::baseplate_statsd`] | `runtime.*`, as baseplate's monitors send it |
//! | [`Profile::new`] | your own |
//!
//! **What becomes of a metric.** A source that the table names is replaced: it feeds each row whose condition it fulfils,
//! and if there is none, its values go nowhere. All others pass as they are. Two sources with one target share it: the
//! recorder below is asked for one key twice. Labels stand in the key in the table's order, which is the order of parts
//! in a dotted name.
//!
//! **Gauges that are shared** are sums. Each source contributes its own part; setting one source replaces its part and
//! leaves the others'. What is infinite or not a number contributes nothing; sums of whole numbers are exact. A gauge
//! on which some source counts up and down is added to; one that is only ever set is set, for recorders that cannot
//! add. Counters that are shared are added to, so [`Counter::absolute`](metrics::Counter::absolute) is for one that is
//! not.
//!
//! **What it costs.** The table is applied when a handle is registered. What comes out is the recorder's own handle
//! where one source feeds one target as it is: recording costs nothing more. A scale is one multiplication behind one
//! more call, a part of a shared gauge one atomic operation more, a second target a second recording. Registering takes
//! some allocations and, for a shared gauge, a lock: register once and keep the handle, as the layers do.
//!
//! **Fixed buckets** are the recorder's to have: tell it [`Profile::buckets`].
//!
//! **What it does not do.** It makes no label that the source lacks: it cannot split what the layers did not. Where a
//! profile wants what the layers record only when asked, its constructor says which options of theirs it needs. It sees
//! names and labels alone, never values or requests. It does not forget: a part of a shared gauge stays as its
//! source's series does.
// There is no impl of `metrics_util::layers::Layer`: `Profile::over` is all that it would do, and the crate that has the
// trait is a larger dependency than this one.

mod ancestors;
mod baseplate;
mod check;
mod gunicorn;
mod handle;
mod label;
mod recorder;
mod row;
mod source;
mod sum;
mod table;
mod talisker;

pub use self::{
    baseplate::MethodCase,
    check::InvalidProfile,
    label::{Computation, Label, Mapping},
    recorder::ProfileRecorder,
    row::{Condition, Row},
    source::Source,
    table::Profile,
};
