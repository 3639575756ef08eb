//! All that is known, as events bring it.

use std::collections::{BTreeSet, VecDeque};

use super::{Course, Event, History, Request, Requests, Sample, Text};

/// So many seconds are kept, whatever a port says.
const LONGEST: usize = 3600;

/// What comes from the port.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// An event of the stream.
    Event(Event),
    /// The stream ended, and why; it is asked for again.
    Lost(String),
    /// What the port answered to a filter: it knows all requests, the stream tells the oldest only.
    Found(String, Requests),
}

/// Whether the stream runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Link {
    /// Nothing came yet.
    #[default]
    Waiting,
    /// It runs.
    Attached,
    /// It ended, for this reason.
    Lost(String),
}

/// Whose port it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct About {
    /// The service's name, or nothing.
    pub service: Text,
    /// Its version, or nothing.
    pub version: Text,
    /// Its process.
    pub pid: u32,
}

/// All that is known of the service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Model {
    about: About,
    link: Link,
    length: usize,
    samples: VecDeque<Sample>,
    taken: usize,
    newest: Option<Requests>,
    found: Option<(String, Requests)>,
}

impl Model {
    /// Takes what came.
    pub fn apply(&mut self, update: Update) {
        match update {
            Update::Event(Event::History(history)) => self.begin(history),
            Update::Event(Event::Sample(sample)) => {
                self.samples.push_back(*sample);
                self.taken += 1;
                self.forget();
            }
            Update::Event(Event::Requests(requests)) => self.newest = Some(requests),
            Update::Lost(why) => self.link = Link::Lost(why),
            Update::Found(filter, requests) => self.found = Some((filter, requests)),
        }
    }

    fn begin(&mut self, history: History) {
        *self = Self {
            about: About {
                service: history.service,
                version: history.version,
                pid: history.pid,
            },
            link: Link::Attached,
            length: history.length.clamp(1, LONGEST),
            taken: history.samples.len(),
            samples: history.samples.into(),
            newest: None,
            found: None,
        };
        self.forget();
    }

    fn forget(&mut self) {
        while self.samples.len() > self.length.max(1) {
            self.samples.pop_front();
        }
    }

    /// Returns whose port it is.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Tells whether the stream runs.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Returns the last second.
    #[must_use]
    pub fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// Returns how many seconds the port keeps.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Returns how many seconds are known.
    #[must_use]
    pub fn seconds(&self) -> usize {
        self.samples.len()
    }

    /// Returns the course of a value.
    #[must_use]
    pub fn course(&self, read: impl Fn(&Sample) -> Option<f64>) -> Course {
        Course::new(self.samples.iter().map(read).collect(), self.taken, self.length)
    }

    /// Returns the status codes that were seen.
    #[must_use]
    pub fn codes(&self) -> BTreeSet<&Text> {
        self.samples
            .iter()
            .flat_map(|sample| sample.codes.keys())
            .collect()
    }

    /// Returns the listeners that were seen.
    #[must_use]
    pub fn listeners(&self) -> BTreeSet<&Text> {
        let queues = self.samples.iter().flat_map(|sample| &sample.listeners);
        queues.map(|queue| &queue.listener).collect()
    }

    /// Returns the hosts that were called.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<&Text> {
        let calls = self.samples.iter().flat_map(|sample| &sample.calls);
        calls.map(|call| &call.host).collect()
    }

    /// Tells whether the port tells of requests in flight at all.
    #[must_use]
    pub fn tells_requests(&self) -> bool {
        self.newest.is_some() || self.found.is_some()
    }

    /// Returns how many requests there are whose id has this part, and those of them that are known, the oldest first.
    #[must_use]
    pub fn requests(&self, filter: &str) -> (usize, Vec<&Request>) {
        let (told, total) = match (&self.found, &self.newest) {
            (Some((found, requests)), _) if found == filter && !filter.is_empty() => {
                (requests, requests.total)
            }
            (_, Some(requests)) if filter.is_empty() => (requests, requests.total),
            // Until the port has answered.
            (_, Some(requests)) => {
                let rows = matching(requests, filter);
                return (rows.len(), rows);
            }
            (_, None) => return (0, Vec::new()),
        };
        (total, told.requests.iter().collect())
    }
}

fn matching<'a>(requests: &'a Requests, filter: &str) -> Vec<&'a Request> {
    let rows = requests.requests.iter();
    rows.filter(|request| request.id.as_str().contains(filter))
        .collect()
}
