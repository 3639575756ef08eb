//! The event stream of the live page.

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

/// The default length of the history, in seconds.
pub(crate) const DEFAULT_HISTORY: usize = 300;
/// The lengths of history that can be set. A chart needs two samples, and each page is sent all of them when it is opened.
pub(crate) const HISTORY_RANGE: RangeInclusive<usize> = 2..=3600;
/// The most open pages.
const MAX_PAGES: usize = 100;
/// The most events queued for a page. A page that lags further behind is dropped.
const QUEUED_EVENTS: usize = 8;

/// The history of samples, and the subscribed pages.
#[derive(Default)]
pub(crate) struct LiveFeed {
    state: Mutex<FeedState>,
}

#[derive(Default)]
struct FeedState {
    publishers: usize,
    samples: VecDeque<Bytes>,
    pages: Vec<mpsc::Sender<Bytes>>,
}

/// The service, as described to a page in the first event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServiceInfo<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) history_seconds: usize,
}

/// Why a page cannot subscribe.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SubscribeError {
    NoSampler,
    TooManyPages,
}

impl LiveFeed {
    /// Subscribes a page. Its first event is the history.
    pub(crate) fn subscribe(&self, info: ServiceInfo<'_>) -> Result<mpsc::Receiver<Bytes>, SubscribeError> {
        let mut state = self.state();
        if state.publishers == 0 {
            return Err(SubscribeError::NoSampler);
        }
        state.pages.retain(|page| !page.is_closed());
        if state.pages.len() >= MAX_PAGES {
            return Err(SubscribeError::TooManyPages);
        }
        let (page, events) = mpsc::channel(QUEUED_EVENTS);
        // Succeeds: the channel is empty.
        let _ = page.try_send(state.history_event(info));
        state.pages.push(page);
        Ok(events)
    }

    /// Returns whether any page is open.
    pub(super) fn has_pages(&self) -> bool {
        self.state().pages.iter().any(|page| !page.is_closed())
    }

    /// Sends a sample and, if given, the requests in flight to all pages, and adds the sample to the history.
    pub(super) fn publish(&self, sample: String, requests: Option<&str>, history_seconds: usize) {
        let mut event = format!("event: sample\ndata: {sample}\n\n");
        if let Some(requests) = requests {
            event.extend(["event: requests\ndata: ", requests, "\n\n"]);
        }
        let event = Bytes::from(event);
        let mut state = self.state();
        state.samples.push_back(sample.into());
        let surplus = state.samples.len().saturating_sub(history_seconds);
        state.samples.drain(..surplus);
        state.pages.retain(|page| page.try_send(event.clone()).is_ok());
    }

    /// Registers a publisher. When the last one is dropped, all streams end.
    pub(super) fn publisher(&self) -> PublisherGuard<'_> {
        self.state().publishers += 1;
        PublisherGuard(self)
    }

    fn state(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registered publisher.
pub(super) struct PublisherGuard<'a>(&'a LiveFeed);

impl Drop for PublisherGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.publishers -= 1;
        if state.publishers == 0 {
            state.pages.clear();
        }
    }
}

impl FeedState {
    /// The samples are serialized already, so the event is put together by hand.
    fn history_event(&self, info: ServiceInfo<'_>) -> Bytes {
        let info = json!({
            "length": info.history_seconds,
            "pid": std::process::id(),
            "service": info.name,
            "version": info.version,
        });
        let info = info.to_string();
        let info = info.strip_suffix('}').unwrap_or(&info);
        let samples: usize = self.samples.iter().map(|sample| sample.len() + 1).sum();
        let mut event = Vec::with_capacity(info.len() + samples + 64);
        event.extend_from_slice(b"retry: 1000\nevent: history\ndata: ");
        event.extend_from_slice(info.as_bytes());
        event.extend_from_slice(b",\"samples\":[");
        for (index, sample) in self.samples.iter().enumerate() {
            if index > 0 {
                event.push(b',');
            }
            event.extend_from_slice(sample);
        }
        event.extend_from_slice(b"]}\n\n");
        event.into()
    }
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSampler => "no sampler is running",
            Self::TooManyPages => "too many live pages are open",
        })
    }
}
