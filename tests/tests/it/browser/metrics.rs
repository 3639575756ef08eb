//! What `/metrics` said, and when.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use campanile_tests::{process::wait_until, wire::Ask};

const PERIOD: Duration = Duration::from_millis(50);
const SECOND: Duration = Duration::from_secs(1);

/// Sums the series of a name that have these labels.
pub(super) fn total(text: &str, name: &str, labels: &str) -> f64 {
    let series = text.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(labels)
    });
    let values = series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

/// Asks for the metrics many times a second, until it is dropped.
pub(super) struct Watch {
    texts: Arc<Mutex<Vec<(Instant, String)>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(admin: SocketAddr) -> Self {
        let texts = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (kept, ended) = (Arc::clone(&texts), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let text = Ask::get("/metrics").of(&admin.to_string()).text().to_owned();
                kept.lock().unwrap().push((Instant::now(), text));
                std::thread::sleep(PERIOD);
            }
        });
        Self {
            texts,
            over,
            thread: Some(thread),
        }
    }

    /// Returns what was said last.
    pub(super) fn newest(&self) -> String {
        let texts = self.texts.lock().unwrap();
        texts.last().map(|(_, text)| text.clone()).unwrap_or_default()
    }

    /// Waits until it says so, and returns when it did.
    pub(super) fn wait_for(&self, what: &str, so: impl Fn(&str) -> bool) -> Instant {
        wait_until(
            || so(&self.newest()),
            || format!("the metrics do not have the {what}:\n{}", self.newest()),
        );
        Instant::now()
    }

    /// Returns the least and the most that a counter rose in a second whose end was so long ago at most.
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

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}
