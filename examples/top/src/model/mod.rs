//! The state of the service, derived from the events of its admin port.

mod events;
mod safe_text;
mod series;

use std::collections::{BTreeSet, VecDeque};

pub use self::{
    events::{AcceptQueue, Event, History, HostCalls, RequestList, RequestRow, Sample},
    safe_text::SafeText,
    series::{Series, TimeScale},
};

/// The longest history that is kept, in seconds.
const MAX_HISTORY: usize = 3600;

/// The state of the service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    service_info: ServiceInfo,
    connection: ConnectionState,
    history_seconds: usize,
    samples: VecDeque<Sample>,
    /// The number of samples received, including those that are no longer kept.
    received: usize,
    newest: Option<RequestList>,
    filtered: Option<(String, RequestList)>,
}

/// The service behind the port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServiceInfo {
    /// The name, possibly empty.
    pub service: SafeText,
    /// The version, possibly empty.
    pub version: SafeText,
    /// The process ID.
    pub pid: u32,
}

/// The state of the event stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ConnectionState {
    /// No event was received yet.
    #[default]
    Connecting,
    /// The stream is open.
    Connected,
    /// The stream ended, with this error.
    Lost(String),
}

/// A change of the model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// An event of the stream.
    Event(Event),
    /// The stream ended, with this error.
    Lost(String),
    /// The requests that match a filter. The port knows all requests, the stream has the oldest only.
    Filtered(String, RequestList),
}

impl Model {
    /// Applies a change.
    pub fn apply(&mut self, update: Update) {
        match update {
            Update::Event(Event::History(history)) => self.reset(history),
            Update::Event(Event::Sample(sample)) => {
                self.samples.push_back(*sample);
                self.received += 1;
                self.trim();
            }
            Update::Event(Event::Requests(requests)) => self.newest = Some(requests),
            Update::Lost(error) => self.connection = ConnectionState::Lost(error),
            Update::Filtered(filter, requests) => self.filtered = Some((filter, requests)),
        }
    }

    fn reset(&mut self, history: History) {
        *self = Self {
            service_info: ServiceInfo {
                service: history.service,
                version: history.version,
                pid: history.pid,
            },
            connection: ConnectionState::Connected,
            history_seconds: history.length.clamp(1, MAX_HISTORY),
            received: history.samples.len(),
            samples: history.samples.into(),
            newest: None,
            filtered: None,
        };
        self.trim();
    }

    fn trim(&mut self) {
        while self.samples.len() > self.history_seconds.max(1) {
            self.samples.pop_front();
        }
    }

    /// Returns the service behind the port.
    #[must_use]
    pub fn service_info(&self) -> &ServiceInfo {
        &self.service_info
    }

    /// Returns the state of the event stream.
    #[must_use]
    pub fn connection(&self) -> &ConnectionState {
        &self.connection
    }

    /// Returns the last sample.
    #[must_use]
    pub fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// Returns the length of the port's history in seconds.
    #[must_use]
    pub fn history_seconds(&self) -> usize {
        self.history_seconds
    }

    /// Returns the number of samples.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.samples.len()
    }

    /// Returns a value of all samples.
    #[must_use]
    pub fn series(&self, read: impl Fn(&Sample) -> Option<f64>) -> Series {
        let values = self.samples.iter().map(read).collect();
        Series::new(values, self.received, self.history_seconds)
    }

    /// Returns the status codes of all samples.
    #[must_use]
    pub fn codes(&self) -> BTreeSet<&SafeText> {
        self.samples
            .iter()
            .flat_map(|sample| sample.codes.keys())
            .collect()
    }

    /// Returns the listeners of all samples.
    #[must_use]
    pub fn listeners(&self) -> BTreeSet<&SafeText> {
        let queues = self.samples.iter().flat_map(|sample| &sample.listeners);
        queues.map(|queue| &queue.listener).collect()
    }

    /// Returns the called hosts of all samples.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<&SafeText> {
        let calls = self.samples.iter().flat_map(|sample| &sample.calls);
        calls.map(|calls| &calls.host).collect()
    }

    /// Returns whether the port reports requests in flight.
    #[must_use]
    pub fn has_requests(&self) -> bool {
        self.newest.is_some() || self.filtered.is_some()
    }

    /// Returns the number of requests whose ID contains `filter`, and the known ones of them, oldest first.
    #[must_use]
    pub fn requests(&self, filter: &str) -> (usize, Vec<&RequestRow>) {
        let list = match (&self.filtered, &self.newest) {
            (Some((found, list)), _) if found == filter && !filter.is_empty() => list,
            (_, Some(list)) if filter.is_empty() => list,
            // Until the port has responded to the filter.
            (_, Some(list)) => {
                let rows = list.requests.iter();
                let matching: Vec<_> = rows.filter(|row| row.id.as_str().contains(filter)).collect();
                return (matching.len(), matching);
            }
            (_, None) => return (0, Vec::new()),
        };
        (list.total, list.requests.iter().collect())
    }
}
