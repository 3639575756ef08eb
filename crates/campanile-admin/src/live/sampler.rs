//! The task that samples the metrics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::sample::SampleInput;
use super::totals::{MetricTotals, TotalsReader};
use crate::config::AdminConfig;
use crate::request_row::RequestSelection;

const PERIOD: Duration = Duration::from_secs(1);
/// The most requests in flight that are sent to pages.
const MAX_REQUESTS: usize = 100;

/// Samples the metrics once a second, for the live page and its history. Created by [`Admin::sampler`](crate::Admin::sampler).
///
/// Run it where [`Admin::service`](crate::Admin::service) is mounted in another server.
/// [`Admin::run_blocking`](crate::Admin::run_blocking) runs one itself.
pub struct Sampler {
    config: AdminConfig,
}

/// The result of one reading of the metrics.
struct Reading {
    totals: Option<MetricTotals>,
    sample: String,
    requests: Option<String>,
}

impl Sampler {
    pub(crate) fn new(config: AdminConfig) -> Self {
        Self { config }
    }

    /// Samples until the future is dropped, which ends the streams of all pages. The history is kept.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with time enabled.
    pub async fn run(self) {
        let config = Arc::new(self.config);
        let _publisher = config.live.publisher();
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut previous = (None, Instant::now());
        loop {
            ticks.tick().await;
            let now = Instant::now();
            let (before, then) = previous;
            let reader = Arc::clone(&config);
            let reading = tokio::task::spawn_blocking(move || read(&reader, before.as_ref(), now - then));
            // A callback that panicked once may succeed the next time.
            let Ok(reading) = reading.await else {
                previous = (None, now);
                continue;
            };
            let requests = reading.requests.as_deref();
            config
                .live
                .publish(reading.sample, requests, config.history_seconds);
            previous = (reading.totals, now);
        }
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").finish_non_exhaustive()
    }
}

fn read(config: &AdminConfig, before: Option<&MetricTotals>, elapsed: Duration) -> Reading {
    let totals = read_totals(config);
    let input = SampleInput {
        before,
        now: totals.as_ref(),
        elapsed,
    };
    let sample = input.to_json(config.status.as_ref().map(|status| status()));
    let requests = config.requests.as_ref().filter(|_| config.live.has_pages());
    let requests = requests.map(|requests| {
        let selection = RequestSelection::new(requests(), "", MAX_REQUESTS);
        selection.to_json().to_string()
    });
    Reading {
        sample: sample.to_string(),
        totals,
        requests,
    }
}

/// Reads the text of the metrics, if there is one.
fn read_totals(config: &AdminConfig) -> Option<MetricTotals> {
    let mut reader = TotalsReader::default();
    if let Some(text) = &config.live_metrics {
        reader.feed(text().as_bytes());
    } else {
        let exposition = config.render.as_ref()?("").ok()??;
        exposition.chunks.for_each(|chunk| reader.feed(&chunk));
    }
    Some(reader.finish())
}
