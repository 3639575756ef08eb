//! The event stream of the live page.

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::{Notify, mpsc};

/// The default length of the history, in seconds.
pub(crate) const DEFAULT_HISTORY: usize = 300;
/// The lengths of history that can be set. A chart needs two samples, and each page is sent all of them when it is opened.
pub(crate) const HISTORY_RANGE: RangeInclusive<usize> = 2..=3600;
/// The most bytes of history: a sample is a few hundred bytes, or some ten thousand with hundreds of hosts.
const MAX_HISTORY_BYTES: usize = 4 * 1024 * 1024;
/// The most open pages. A further one replaces the one that has read least.
const MAX_PAGES: usize = 100;
/// The most events queued for a page. A page that lags further behind is dropped.
const QUEUED_EVENTS: usize = 8;

/// The history of samples, and the subscribed pages.
#[derive(Default)]
pub(crate) struct LiveFeed {
    state: Mutex<FeedState>,
    opened: Notify,
}

#[derive(Default)]
struct FeedState {
    publishers: usize,
    samples: VecDeque<Bytes>,
    sample_bytes: usize,
    /// The history event of the current samples, which all pages share.
    history: Option<Bytes>,
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
}

impl LiveFeed {
    /// Subscribes a page. Its first event is the history.
    pub(crate) fn subscribe(&self, info: ServiceInfo<'_>) -> Result<mpsc::Receiver<Bytes>, SubscribeError> {
        self.check_sampler()?;
        let mut state = self.state();
        state.pages.retain(|page| !page.is_closed());
        if state.pages.len() >= MAX_PAGES {
            state.close_longest_unread();
        }
        let (page, events) = mpsc::channel(QUEUED_EVENTS);
        // Succeeds: the channel is empty.
        let _ = page.try_send(state.history_event(info));
        state.pages.push(page);
        drop(state);
        self.opened.notify_one();
        Ok(events)
    }

    /// Checks that a sampler runs.
    pub(crate) fn check_sampler(&self) -> Result<(), SubscribeError> {
        match self.state().publishers {
            0 => Err(SubscribeError::NoSampler),
            _ => Ok(()),
        }
    }

    /// Waits until a page is opened.
    pub(super) async fn opened(&self) {
        self.opened.notified().await;
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
        state.push_sample(sample.into(), history_seconds);
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
    fn push_sample(&mut self, sample: Bytes, history_seconds: usize) {
        self.history = None;
        self.sample_bytes += sample.len();
        self.samples.push_back(sample);
        while self.samples.len() > history_seconds || self.sample_bytes > MAX_HISTORY_BYTES {
            let Some(oldest) = self.samples.pop_front() else {
                break;
            };
            self.sample_bytes -= oldest.len();
        }
    }

    /// Closes the page with the most unread events, of those the one that was opened first.
    fn close_longest_unread(&mut self) {
        let unread = |page: &mpsc::Sender<Bytes>| page.max_capacity() - page.capacity();
        let most = self.pages.iter().map(unread).max();
        let longest = self.pages.iter().position(|page| Some(unread(page)) == most);
        if let Some(index) = longest {
            self.pages.remove(index);
        }
    }

    fn history_event(&mut self, info: ServiceInfo<'_>) -> Bytes {
        match &self.history {
            Some(history) => history.clone(),
            None => {
                let history = self.to_history_event(info);
                self.history = Some(history.clone());
                history
            }
        }
    }

    /// The samples are serialized already, so the event is put together by hand.
    fn to_history_event(&self, info: ServiceInfo<'_>) -> Bytes {
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
        match self {
            Self::NoSampler => f.write_str("no sampler is running"),
        }
    }
}
