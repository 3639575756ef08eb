//! Profiles: record the metrics of campanile's layers under the names of another system, or your own.
//!
//! A [`Profile`] is a table: each [`Row`] maps a source metric to a target metric, with its [`Label`]s, their order and
//! the unit. It wraps any recorder.
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
//! **Mapping.** A source that the table names is replaced: it feeds each row whose condition it meets, and without such a
//! row its values are dropped. All other metrics pass unchanged. Sources with the same target share its series: the inner
//! recorder gets two registrations of one key. Labels are in the order of the table, which is the order of parts in a dotted name.
//!
//! **Shared gauges** are sums: setting one source replaces its part only. Values that are not finite contribute nothing;
//! sums of integers are exact. A gauge with a source that is incremented or decremented is changed by increments; one
//! whose sources are only ever set is set, for recorders that do not support increments. Shared counters are incremented,
//! so [`Counter::absolute`](metrics::Counter::absolute) only works for one that is not shared.
//!
//! **Cost.** The table is applied when a handle is registered. If one source feeds one target unchanged, the handle is
//! that of the inner recorder, and recording costs nothing extra. Scaling is one multiplication and one more call, a part
//! of a shared gauge one more atomic operation, a second target a second recording. Registration allocates, and locks for
//! a shared gauge: register once and keep the handle, as the layers do.
//!
//! **Fixed buckets** must be set in the inner recorder; [`Profile::buckets`] returns them.
//!
//! **What it does not do.** It adds no label values that the source lacks: it cannot split a series. If a profile needs
//! labels that the layers only record on request, the documentation of its constructor lists the options. It sees names
//! and labels, never values or requests. It forgets nothing: a part of a shared gauge lives as long as the series of its
//! source.
// Not a `metrics_util::layers::Layer`: `Profile::over` does the same, and the crate with the trait is a larger dependency
// than this one.

mod baseplate;
mod gunicorn;
mod handle;
mod label;
mod recorder;
mod row;
mod shared_gauge;
mod table;
mod talisker;
mod validation;

pub use self::{
    baseplate::MethodCase,
    label::{Computation, Label, Mapping, SourceLabels},
    recorder::ProfileRecorder,
    row::{Condition, Row},
    table::Profile,
    validation::ProfileError,
};
