//! The history, and the pages that listen.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

/// So many seconds are kept, unless the caller says otherwise.
pub(crate) const LENGTH: usize = 300;
/// Of fewer nothing can be drawn; of more, each page that is opened is sent megabytes.
pub(crate) const LENGTHS: RangeInclusive<usize> = 2..=3600;
/// So many pages may be open at once.
const PAGES: usize = 100;
/// So many events may wait for a page that does not read, until it is dropped.
const WAITING: usize = 8;

/// The samples of the last seconds, and who is told of the next.
#[derive(Default)]
pub(crate) struct Live {
    state: Mutex<State>,
}

/// What a page is told before all else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) service: &'a str,
    pub(crate) version: &'a str,
    pub(crate) length: usize,
}

#[derive(Default)]
struct State {
    samplers: usize,
    samples: VecDeque<Bytes>,
    pages: Vec<mpsc::Sender<Bytes>>,
}

impl Live {
    /// Opens a stream of events, which begins with the history.
    ///
    /// # Errors
    ///
    /// Tells why there can be none now.
    pub(crate) fn join(&self, about: About<'_>) -> Result<mpsc::Receiver<Bytes>, &'static str> {
        let mut state = self.state();
        if state.samplers == 0 {
            return Err("nobody looks at the metrics");
        }
        state.pages.retain(|page| !page.is_closed());
        if state.pages.len() >= PAGES {
            return Err("too many pages are open");
        }
        let (page, events) = mpsc::channel(WAITING);
        // The channel is empty: there is room.
        let _ = page.try_send(state.history(about));
        state.pages.push(page);
        Ok(events)
    }

    /// Tells whether anybody listens.
    pub(super) fn has_pages(&self) -> bool {
        self.state().pages.iter().any(|page| !page.is_closed())
    }

    /// Keeps a sample among so many and tells it to the pages, with what else happened. Pages that do not read are dropped.
    pub(super) fn publish(&self, sample: String, more: Option<&str>, length: usize) {
        let mut event = format!("event: sample\ndata: {sample}\n\n");
        if let Some(requests) = more {
            event.extend(["event: requests\ndata: ", requests, "\n\n"]);
        }
        let event = Bytes::from(event);
        let mut state = self.state();
        state.samples.push_back(sample.into());
        let surplus = state.samples.len().saturating_sub(length);
        state.samples.drain(..surplus);
        state.pages.retain(|page| page.try_send(event.clone()).is_ok());
    }

    /// Says that samples come from now on.
    pub(super) fn begin(&self) {
        self.state().samplers += 1;
    }

    /// Says that they come no longer, which ends all streams.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.samplers -= 1;
        if state.samplers == 0 {
            state.pages.clear();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn history(&self, about: About<'_>) -> Bytes {
        let about = json!({
            "length": about.length,
            "pid": std::process::id(),
            "service": about.service,
            "version": about.version,
        });
        let about = about.to_string();
        let about = about.strip_suffix('}').unwrap_or(&about);
        let mut event =
            Vec::with_capacity(about.len() + 64 + self.samples.iter().map(|s| s.len() + 1).sum::<usize>());
        event.extend_from_slice(b"retry: 1000\nevent: history\ndata: ");
        event.extend_from_slice(about.as_bytes());
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
