//! The task that samples the metrics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, timeout_at};

use super::cpu_time::CpuTimer;
use super::sample::SampleInput;
use super::totals::{MetricTotals, TotalsReader};
use crate::closure_thread::ClosureError;
use crate::config::AdminConfig;
use crate::request_row::RequestSelection;

const PERIOD: Duration = Duration::from_secs(1);
/// The most requests in flight that are sent to pages.
const MAX_REQUESTS: usize = 100;
/// The longest text of the metrics that is read by default, in bytes.
pub(crate) const DEFAULT_LIVE_BYTES: usize = 4 * 1024 * 1024;

/// The share of a core that samples may take, as a divisor: a tenth for the readers of open pages, and a hundredth for the
/// history alone.
const PAGE_SHARE: u32 = 10;
const HISTORY_SHARE: u32 = 100;

/// Samples the metrics once a second, or less often if that takes too much of a core, for the live page and its history. Created by [`Admin::sampler`](crate::Admin::sampler).
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
    cost: Duration,
    is_refused: bool,
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
        let (mut cost, mut is_logged) = (Duration::ZERO, false);
        loop {
            ticks.tick().await;
            let now = Instant::now();
            let (before, then) = previous;
            let reader = Arc::clone(&config);
            let notice = slow_notice(cost);
            let sampled = config.threads.live.run(config.callback_timeout, move || {
                read(&reader, before.as_ref(), now - then, notice)
            });
            let reading = match sampled.await {
                Ok(reading) => reading,
                // A callback that panicked once may succeed the next time.
                Err(ClosureError::Panicked) => {
                    previous = (None, now);
                    continue;
                }
                Err(error) => Reading::without_metrics(&error),
            };
            if reading.is_refused && !std::mem::replace(&mut is_logged, true) {
                let bytes = config.live_bytes;
                tracing::warn!(
                    limit_bytes = bytes,
                    "the live page refuses the text of the metrics: it is too long"
                );
            }
            cost = reading.cost;
            let requests = reading.requests.as_deref();
            config
                .live
                .publish(reading.sample, requests, config.history_seconds);
            previous = (reading.totals, now);
            if cost * HISTORY_SHARE > PERIOD {
                pause(&config, now, cost).await;
                ticks.reset_immediately();
            }
        }
    }
}

/// Waits until the samples take no more than their share of a core, which depends on whether pages are open.
async fn pause(config: &AdminConfig, sampled: Instant, cost: Duration) {
    loop {
        let share = if config.live.has_pages() {
            PAGE_SHARE
        } else {
            HISTORY_SHARE
        };
        let next = sampled + (cost * share).max(PERIOD);
        if Instant::now() >= next || timeout_at(next, config.live.opened()).await.is_err() {
            return;
        }
    }
}

/// Returns what the page says if its samples are taken less often than each second.
fn slow_notice(cost: Duration) -> Option<String> {
    let interval = (cost * PAGE_SHARE).as_secs_f64();
    (interval > 1.5).then(|| {
        format!(
            "Reading the metrics takes {:.1} s of processor time. The values are read every {interval:.0} s.",
            cost.as_secs_f64()
        )
    })
}

impl Reading {
    /// Returns what pages are sent while the callback hangs.
    fn without_metrics(error: &ClosureError) -> Self {
        let input = SampleInput {
            before: None,
            now: None,
            elapsed: PERIOD,
        };
        let notice = format!("There are no values: the {error}.");
        Self {
            totals: None,
            sample: input.to_json(None, Some(&notice)).to_string(),
            requests: None,
            cost: Duration::ZERO,
            is_refused: false,
        }
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").finish_non_exhaustive()
    }
}

fn read(
    config: &AdminConfig,
    before: Option<&MetricTotals>,
    elapsed: Duration,
    mut notice: Option<String>,
) -> Reading {
    let timer = CpuTimer::start();
    let totals = read_totals(config);
    let is_refused = totals.is_err();
    if is_refused {
        notice = Some(format!(
            "The text of the metrics is longer than {} bytes, the limit of this page. There are no values.",
            config.live_bytes
        ));
    }
    let totals = totals.ok().flatten();
    let input = SampleInput {
        before,
        now: totals.as_ref(),
        elapsed,
    };
    let status = config.status.as_ref().map(|status| status());
    let sample = input.to_json(status, notice.as_deref());
    let requests = config.requests.as_ref().filter(|_| config.live.has_pages());
    let requests = requests.map(|requests| {
        let selection = RequestSelection::new(requests(), "", MAX_REQUESTS);
        selection.to_json().to_string()
    });
    Reading {
        sample: sample.to_string(),
        totals,
        requests,
        cost: timer.elapsed(),
        is_refused,
    }
}

/// The text of the metrics is too long.
struct TooLong;

/// Reads the text of the metrics, if there is one.
fn read_totals(config: &AdminConfig) -> Result<Option<MetricTotals>, TooLong> {
    let mut reader = TotalsReader::default();
    let mut left = config.live_bytes;
    let mut feed = |chunk: &[u8]| {
        left = left.checked_sub(chunk.len()).ok_or(TooLong)?;
        reader.feed(chunk);
        Ok(())
    };
    if let Some(text) = &config.live_metrics {
        feed(text().as_bytes())?;
    } else {
        let exposition = config.render.as_ref().map(|render| render(""));
        let Some(Ok(Some(exposition))) = exposition else {
            return Ok(None);
        };
        for chunk in exposition.chunks {
            feed(&chunk)?;
        }
    }
    Ok(Some(reader.finish()))
}
