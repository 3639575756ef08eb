//! Looks at the metrics once a second.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::sample::Between;
use super::totals::{Reader, Totals};
use crate::request::Selection;
use crate::settings::Settings;

const PERIOD: Duration = Duration::from_secs(1);
/// So many requests in flight are shown on the page, the oldest.
const REQUESTS: usize = 100;

/// Looks at the metrics once a second, for the live page and its history. Made by [`Admin::sampler`](crate::Admin::sampler).
///
/// [`Admin::run_blocking`](crate::Admin::run_blocking) has one already. It is for whoever serves
/// [`Admin::service`](crate::Admin::service) elsewhere.
pub struct Sampler {
    settings: Settings,
}

/// A look at the metrics, and what is to be told.
struct Look {
    totals: Option<Totals>,
    sample: String,
    requests: Option<String>,
}

impl Sampler {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Looks, until it is dropped, which ends the streams of all pages. The history stays.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with time enabled.
    pub async fn run(self) {
        let _running = Running::new(&self.settings);
        let settings = Arc::new(self.settings.clone());
        let mut turns = tokio::time::interval(PERIOD);
        turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut last = (None, Instant::now());
        loop {
            turns.tick().await;
            let now = Instant::now();
            let settings = Arc::clone(&settings);
            let (before, then) = last;
            let look = tokio::task::spawn_blocking(move || look(&settings, before.as_ref(), now - then));
            // What panicked once may not the next time.
            let Ok(look) = look.await else {
                last = (None, now);
                continue;
            };
            let requests = look.requests.as_deref();
            self.settings
                .live
                .publish(look.sample, requests, self.settings.history);
            last = (look.totals, now);
        }
    }
}

fn look(settings: &Settings, before: Option<&Totals>, elapsed: Duration) -> Look {
    let totals = read(settings);
    let between = Between {
        before,
        now: totals.as_ref(),
        elapsed,
    };
    let sample = between.to_json(settings.status.as_ref().map(|status| status()));
    let requests = settings.requests.as_ref().filter(|_| settings.live.has_pages());
    let requests = requests.map(|requests| Selection::new(requests(), "", REQUESTS).to_json().to_string());
    Look {
        sample: sample.to_string(),
        totals,
        requests,
    }
}

/// Reads the metrics' text; `None` where there is none.
fn read(settings: &Settings) -> Option<Totals> {
    let mut reader = Reader::default();
    if let Some(text) = &settings.live_text {
        reader.feed(text().as_bytes());
    } else {
        let exposition = settings.render.as_ref()?("").ok()??;
        exposition.pieces.for_each(|piece| reader.feed(&piece));
    }
    Some(reader.finish())
}

/// Says that samples come, as long as it lives.
struct Running<'a>(&'a Settings);

impl<'a> Running<'a> {
    fn new(settings: &'a Settings) -> Self {
        settings.live.begin();
        Self(settings)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.live.end();
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").finish_non_exhaustive()
    }
}
