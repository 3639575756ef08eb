//! The events of `/live`. Missing fields have defaults, and unknown fields are ignored.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::SafeText;

/// An event of the stream.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The history, at the start of each stream.
    History(History),
    /// The sample of one second.
    Sample(Box<Sample>),
    /// The requests in flight.
    Requests(RequestList),
}

impl Event {
    /// Parses an event. Returns `None` for unknown names.
    ///
    /// # Errors
    ///
    /// Returns an error if the data does not match the name.
    pub fn parse(name: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        Ok(Some(match name {
            "history" => Self::History(serde_json::from_str(data)?),
            "sample" => Self::Sample(serde_json::from_str(data)?),
            "requests" => Self::Requests(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }
}

/// The service and its history.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct History {
    /// The length of the history in seconds.
    pub length: usize,
    /// The process ID.
    pub pid: u32,
    /// The name of the service, possibly empty.
    pub service: SafeText,
    /// The version of the service, possibly empty.
    pub version: SafeText,
    /// The samples, oldest first.
    pub samples: Vec<Sample>,
}

/// The sample of one second.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Sample {
    /// Requests per second.
    pub requests: Option<f64>,
    /// Responses per second by status code.
    pub codes: BTreeMap<SafeText, f64>,
    /// The 50th, 95th and 99th percentile of the time to the response head, in seconds.
    pub latency: Option<[Option<f64>; 3]>,
    /// Requests in flight.
    pub in_flight: Option<f64>,
    /// The limit of requests in flight.
    pub concurrency_limit: Option<f64>,
    /// Shed requests per second.
    pub shed: Option<f64>,
    /// Open connections.
    pub connections: Option<f64>,
    /// The limit of open connections.
    pub connection_limit: Option<f64>,
    /// The accept queues.
    pub listeners: Vec<AcceptQueue>,
    /// The outgoing calls, by hosts with activity.
    pub calls: Vec<HostCalls>,
    /// The phase of the service.
    pub phase: SafeText,
    /// The remaining drain time in seconds.
    pub seconds_left: Option<f64>,
}

impl Sample {
    /// Returns the accept queue of a listener.
    #[must_use]
    pub fn queue(&self, listener: &SafeText) -> Option<&AcceptQueue> {
        self.listeners.iter().find(|queue| queue.listener == *listener)
    }

    /// Returns the calls to a host.
    #[must_use]
    pub fn calls_to(&self, host: &SafeText) -> Option<&HostCalls> {
        self.calls.iter().find(|call| call.host == *host)
    }

    /// Returns the 50th (0), 95th (1) or 99th (2) percentile of the time to the response head, in seconds.
    #[must_use]
    pub fn percentile(&self, index: usize) -> Option<f64> {
        self.latency.as_ref()?.get(index).copied().flatten()
    }
}

/// The accept queue of a listener.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AcceptQueue {
    /// The listener's address.
    pub listener: SafeText,
    /// The waiting connections.
    pub pending: Option<f64>,
    /// The limit of waiting connections.
    pub limit: Option<f64>,
    /// The number of overflows.
    pub overflows: Option<f64>,
}

/// The outgoing calls to a host.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HostCalls {
    /// The host.
    pub host: SafeText,
    /// Calls per second.
    pub requests: f64,
    /// Errors per second.
    pub errors: f64,
    /// Calls in flight.
    pub in_flight: f64,
}

/// The requests in flight, all or the oldest.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RequestList {
    /// The number of requests in flight.
    pub total: usize,
    /// The listed requests, oldest first.
    pub requests: Vec<RequestRow>,
}

/// A request in flight.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RequestRow {
    /// The ID.
    pub id: SafeText,
    /// The method.
    pub method: SafeText,
    /// The route.
    pub route: SafeText,
    /// The time since the request arrived, in seconds.
    pub age_seconds: f64,
    /// The state: `app`, `calling` or `body`.
    pub phase: SafeText,
    /// The host of the current outgoing call.
    pub host: SafeText,
}

impl RequestRow {
    /// Returns the state, including the called host.
    #[must_use]
    pub fn state(&self) -> String {
        if self.phase.as_str() == "calling" && !self.host.as_str().is_empty() {
            format!("calling {}", self.host)
        } else {
            self.phase.to_string()
        }
    }
}
