//! The log, whose filter can be changed while the service runs.

use std::io;

use tracing_subscriber::{
    EnvFilter, fmt, layer::SubscriberExt, registry::Registry, reload, util::SubscriberInitExt,
};

/// The filter of the log.
#[derive(Debug, Clone)]
pub(crate) struct LogFilter(reload::Handle<EnvFilter, Registry>);

impl LogFilter {
    /// Starts logging to stderr, filtered by `RUST_LOG`.
    pub(crate) fn init() -> Self {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        let (filter, handle) = reload::Layer::new(filter);
        let lines = fmt::layer().with_writer(io::stderr).with_ansi(false);
        tracing_subscriber::registry().with(filter).with(lines).init();
        Self(handle)
    }

    /// Returns the filter.
    pub(crate) fn filter(&self) -> String {
        let filter = self.0.with_current(ToString::to_string);
        // Only a panic in the log itself poisons the filter.
        filter.unwrap_or_default()
    }

    /// Sets the filter.
    pub(crate) fn set_filter(&self, text: &str) -> Result<(), String> {
        let filter = EnvFilter::try_new(text).map_err(|error| error.to_string())?;
        self.0.reload(filter).map_err(|error| error.to_string())
    }
}
