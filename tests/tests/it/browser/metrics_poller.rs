//! Polls `/metrics` and keeps each text with its time.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use campanile_tests::{client::metrics_text, process::wait_until};

const PERIOD: Duration = Duration::from_millis(50);
const SECOND: Duration = Duration::from_secs(1);

/// Returns the sum of the series of a family with these labels.
pub(super) fn total(text: &str, name: &str, labels: &str) -> f64 {
    let series = text.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(labels)
    });
    let values = series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

/// Polls the metrics many times a second until it is dropped.
pub(super) struct MetricsPoller {
    texts: Arc<Mutex<Vec<(Instant, String)>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsPoller {
    pub(super) fn start(admin: SocketAddr) -> Self {
        let texts = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (kept, stop) = (Arc::clone(&texts), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let text = metrics_text(&admin.to_string());
                kept.lock().unwrap().push((Instant::now(), text));
                std::thread::sleep(PERIOD);
            }
        });
        Self {
            texts,
            stopped,
            thread: Some(thread),
        }
    }

    /// Returns the latest text.
    pub(super) fn newest(&self) -> String {
        let texts = self.texts.lock().unwrap();
        texts.last().map(|(_, text)| text.clone()).unwrap_or_default()
    }

    /// Waits until the text matches, and returns the time of that.
    pub(super) fn wait_for(&self, what: &str, matches: impl Fn(&str) -> bool) -> Instant {
        wait_until(
            || matches(&self.newest()),
            || format!("the metrics do not show {what}:\n{}", self.newest()),
        );
        Instant::now()
    }

    /// Returns the lowest and the highest rate of a counter over the seconds that ended at most `ago` before `now`.
    pub(super) fn rates(&self, name: &str, labels: &str, now: Instant, ago: Duration) -> Option<(f64, f64)> {
        let texts = self.texts.lock().unwrap();
        let oldest = now.checked_sub(ago + SECOND * 2)?;
        let counts: Vec<(Instant, f64)> = texts
            .iter()
            .filter(|(at, _)| *at >= oldest && *at <= now)
            .map(|(at, text)| (*at, total(text, name, labels)))
            .collect();
        let rates = counts
            .iter()
            .filter(|(end, _)| *end + ago >= now)
            .filter_map(|(end, after)| {
                let before = counts.iter().rev().find(|(begin, _)| *begin + SECOND <= *end)?;
                Some((after - before.1) / (*end - before.0).as_secs_f64())
            });
        rates.fold(None, |bounds, rate| {
            let (least, most) = bounds.unwrap_or((rate, rate));
            Some((rate.min(least), rate.max(most)))
        })
    }
}

impl Drop for MetricsPoller {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
