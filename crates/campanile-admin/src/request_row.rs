//! A row of `/requests`.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};

/// The longest text of a cell, in bytes. Names may come from clients.
const MAX_TEXT: usize = 1024;

/// A request in flight, as a row of `/requests` and of the live page. Unknown values stay empty, and texts are cut at 1 KiB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestRow {
    id: String,
    method: Cow<'static, str>,
    route: Cow<'static, str>,
    age: Duration,
    phase: Cow<'static, str>,
    host: Option<Cow<'static, str>>,
}

impl RequestRow {
    /// The columns of the HTML table.
    pub(crate) const COLUMNS: [&str; 6] = ["id", "method", "route", "age_seconds", "phase", "host"];

    /// Creates the row of the request with this ID.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: shortened(id.into()),
            ..Self::default()
        }
    }

    /// Sets the method.
    #[must_use]
    pub fn with_method(mut self, method: impl Into<Cow<'static, str>>) -> Self {
        self.method = shortened(method.into());
        self
    }

    /// Sets the route template.
    #[must_use]
    pub fn with_route(mut self, route: impl Into<Cow<'static, str>>) -> Self {
        self.route = shortened(route.into());
        self
    }

    /// Sets the time since the request arrived.
    #[must_use]
    pub const fn with_age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Sets what the request is doing: `app`, `calling` or `body`.
    #[must_use]
    pub fn with_phase(mut self, phase: impl Into<Cow<'static, str>>) -> Self {
        self.phase = shortened(phase.into());
        self
    }

    /// Sets the host of the current outgoing call.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<Cow<'static, str>>) -> Self {
        self.host = Some(shortened(host.into()));
        self
    }

    /// Returns the cells of the HTML table, in the order of [`Self::COLUMNS`].
    pub(crate) fn cells(&self) -> [String; Self::COLUMNS.len()] {
        [
            self.id.clone(),
            self.method.to_string(),
            self.route.to_string(),
            format!("{:.3}", self.age_seconds()),
            self.phase.to_string(),
            self.host.as_deref().unwrap_or_default().to_owned(),
        ]
    }

    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "method": self.method,
            "route": self.route,
            "age_seconds": self.age_seconds(),
            "phase": self.phase,
            "host": self.host,
        })
    }

    fn age_seconds(&self) -> f64 {
        (self.age.as_secs_f64() * 1e6).round() / 1e6
    }
}

/// Cuts a text that is too long.
fn shortened<T: AsRef<str> + From<String>>(text: T) -> T {
    let whole = text.as_ref();
    if whole.len() <= MAX_TEXT {
        return text;
    }
    let end = (0..=MAX_TEXT).rev().find(|end| whole.is_char_boundary(*end));
    T::from(whole[..end.unwrap_or(0)].to_owned())
}

/// The oldest of the requests that match a filter.
#[derive(Debug)]
pub(crate) struct RequestSelection {
    /// The number of matching requests, including those beyond the limit.
    pub(crate) total: usize,
    /// The selected requests, oldest first.
    pub(crate) rows: Vec<RequestRow>,
}

impl RequestSelection {
    /// Selects the `limit` oldest of the requests whose ID contains `id_part`.
    pub(crate) fn new(mut rows: Vec<RequestRow>, id_part: &str, limit: usize) -> Self {
        rows.retain(|row| row.id.contains(id_part));
        let total = rows.len();
        rows.sort_unstable_by(|a, b| b.age.cmp(&a.age).then_with(|| a.id.cmp(&b.id)));
        rows.truncate(limit);
        Self { total, rows }
    }

    pub(crate) fn to_json(&self) -> Value {
        let rows: Vec<_> = self.rows.iter().map(RequestRow::to_json).collect();
        json!({ "total": self.total, "requests": rows })
    }
}
