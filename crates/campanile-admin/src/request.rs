//! A request in flight, as the caller tells it.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};

/// A request that the service works on.
///
/// Made from whatever keeps the table of requests in flight. What is not known is left empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    id: String,
    method: Cow<'static, str>,
    route: Cow<'static, str>,
    age: Duration,
    phase: Cow<'static, str>,
    host: Option<Cow<'static, str>>,
}

impl Request {
    /// Creates the row of a request with this id.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ..Self::default()
        }
    }

    /// Sets the method.
    #[must_use]
    pub fn with_method(mut self, method: impl Into<Cow<'static, str>>) -> Self {
        self.method = method.into();
        self
    }

    /// Sets the route's template.
    #[must_use]
    pub fn with_route(mut self, route: impl Into<Cow<'static, str>>) -> Self {
        self.route = route.into();
        self
    }

    /// Sets the time since it came.
    #[must_use]
    pub const fn with_age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Sets what it is doing: `app`, `calling` or `body`.
    #[must_use]
    pub fn with_phase(mut self, phase: impl Into<Cow<'static, str>>) -> Self {
        self.phase = phase.into();
        self
    }

    /// Sets the host that it calls.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<Cow<'static, str>>) -> Self {
        self.host = Some(host.into());
        self
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "method": self.method,
            "route": self.route,
            "age_seconds": self.age_seconds(),
            "phase": self.phase,
            "host": self.host,
        })
    }

    /// Spells the row as cells, in the order of [`COLUMNS`].
    pub(crate) fn cells(&self) -> [String; COLUMNS.len()] {
        let host = self.host.as_deref().unwrap_or_default();
        [
            self.id.clone(),
            self.method.to_string(),
            self.route.to_string(),
            format!("{:.3}", self.age_seconds()),
            self.phase.to_string(),
            host.to_owned(),
        ]
    }

    fn age_seconds(&self) -> f64 {
        (self.age.as_secs_f64() * 1e6).round() / 1e6
    }
}

/// What the table for a browser tells of each request.
pub(crate) const COLUMNS: [&str; 6] = ["id", "method", "route", "age_seconds", "phase", "host"];

/// A part of the requests in flight.
#[derive(Debug)]
pub(crate) struct Selection {
    /// How many there are, shown or not.
    pub(crate) total: usize,
    /// Those that are shown, the oldest first.
    pub(crate) requests: Vec<Request>,
}

impl Selection {
    /// Chooses those whose id has this part, and of them the oldest.
    pub(crate) fn new(mut requests: Vec<Request>, part: &str, limit: usize) -> Self {
        requests.retain(|request| request.id.contains(part));
        let total = requests.len();
        requests.sort_unstable_by(|a, b| b.age.cmp(&a.age).then_with(|| a.id.cmp(&b.id)));
        requests.truncate(limit);
        Self { total, requests }
    }

    pub(crate) fn to_json(&self) -> Value {
        let rows: Vec<_> = self.requests.iter().map(Request::to_json).collect();
        json!({ "total": self.total, "requests": rows })
    }
}
