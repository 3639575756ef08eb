//! The events of `/live`, as campanile-admin spells them. What is missing is unknown, what is new is passed over.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Text;

/// An event of the stream.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// What was, at the beginning of each stream.
    History(History),
    /// A second.
    Sample(Box<Sample>),
    /// The requests in flight.
    Requests(Requests),
}

impl Event {
    /// Reads an event by its name; `None` is a name that is not known.
    ///
    /// # Errors
    ///
    /// If its data is not what the name says.
    pub fn read(name: &str, data: &str) -> Result<Option<Self>, serde_json::Error> {
        Ok(Some(match name {
            "history" => Self::History(serde_json::from_str(data)?),
            "sample" => Self::Sample(serde_json::from_str(data)?),
            "requests" => Self::Requests(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }
}

/// Whose port it is, and the seconds that it has kept.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct History {
    /// So many seconds are kept.
    pub length: usize,
    /// The service's process.
    pub pid: u32,
    /// The service's name, or nothing.
    pub service: Text,
    /// Its version, or nothing.
    pub version: Text,
    /// The seconds, the oldest first.
    pub samples: Vec<Sample>,
}

/// A second.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Sample {
    /// Requests a second.
    pub requests: Option<f64>,
    /// Responses a second by status code.
    pub codes: BTreeMap<Text, f64>,
    /// The 50th, 95th and 99th percentile of the time to the response head, in seconds.
    pub latency: Option<[Option<f64>; 3]>,
    /// Requests in flight.
    pub in_flight: Option<f64>,
    /// Their limit.
    pub concurrency_limit: Option<f64>,
    /// Requests refused a second.
    pub shed: Option<f64>,
    /// Open connections.
    pub connections: Option<f64>,
    /// Their limit.
    pub connection_limit: Option<f64>,
    /// Accept queues.
    pub listeners: Vec<Queue>,
    /// Outgoing calls, of hosts with which anything happens.
    pub calls: Vec<Call>,
    /// How far the service is.
    pub phase: Text,
    /// What is left of the drain time, in seconds.
    pub seconds_left: Option<f64>,
}

impl Sample {
    /// Returns the accept queue of this listener.
    #[must_use]
    pub fn queue(&self, listener: &Text) -> Option<&Queue> {
        self.listeners.iter().find(|queue| queue.listener == *listener)
    }

    /// Returns the calls to this host.
    #[must_use]
    pub fn call(&self, host: &Text) -> Option<&Call> {
        self.calls.iter().find(|call| call.host == *host)
    }

    /// Returns a percentile of the time to the response head, of the three that there are.
    #[must_use]
    pub fn percentile(&self, which: usize) -> Option<f64> {
        self.latency.as_ref()?.get(which).copied().flatten()
    }
}

/// An accept queue.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Queue {
    /// The listener's address.
    pub listener: Text,
    /// Connections that wait.
    pub pending: Option<f64>,
    /// As many may.
    pub limit: Option<f64>,
    /// How often it overflowed, since the start.
    pub overflows: Option<f64>,
}

/// Outgoing calls to a host.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Call {
    /// The host.
    pub host: Text,
    /// Calls a second.
    pub requests: f64,
    /// Failed ones a second.
    pub errors: f64,
    /// Calls in flight.
    pub in_flight: f64,
}

/// Requests in flight: all, or the oldest.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Requests {
    /// How many there are.
    pub total: usize,
    /// Those that are told, the oldest first.
    pub requests: Vec<Request>,
}

/// A request in flight.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Request {
    /// Its id.
    pub id: Text,
    /// Its method.
    pub method: Text,
    /// Its route.
    pub route: Text,
    /// The time since it came, in seconds.
    pub age_seconds: f64,
    /// What it is doing: `app`, `calling` or `body`.
    pub phase: Text,
    /// Whom it calls.
    pub host: Text,
}

impl Request {
    /// Says what it is doing.
    #[must_use]
    pub fn doing(&self) -> String {
        if self.phase.as_str() == "calling" && !self.host.as_str().is_empty() {
            format!("calling {}", self.host)
        } else {
            self.phase.to_string()
        }
    }
}
