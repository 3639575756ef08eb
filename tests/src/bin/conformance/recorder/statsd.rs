//! Metrics that are sent to statsd in addition to being scraped.

use std::{
    error::Error,
    io,
    thread::{self, JoinHandle},
};

use campanile_recorder::{
    CellRecorder, Family,
    statsd::{Dsn, LineFormat, Statsd, Stop},
};

use super::{Boxed, with_profile};
use crate::{
    flags::{Flags, StatsdServer},
    profile::Profile,
};

/// The thread that sends to statsd, so that metrics are sent while the runtime is blocked.
#[derive(Debug)]
pub(super) struct StatsdSender {
    stop: Stop,
    thread: JoinHandle<()>,
}

impl StatsdSender {
    /// Sends the buffered metrics, and ends the thread.
    pub(super) fn finish(self) {
        self.stop.stop();
        if self.thread.join().is_err() {
            tracing::error!("the statsd thread panicked");
        }
    }
}

/// Makes a recorder that sends to a statsd server.
pub(super) fn recorder(
    flags: &Flags,
    server: &StatsdServer,
) -> Result<(Boxed, StatsdSender), Box<dyn Error>> {
    let dsn = Dsn::udp(
        &server.to_string(),
        flags.statsd_prefix.as_deref().unwrap_or_default(),
    )?;
    let stop = Stop::new();
    let thread_stop = stop.clone();
    let (recorder, thread) = if flags.profile == Profile::Baseplate {
        let (recorder, flush) = periodic(dsn)?;
        (recorder, spawn(move || flush(&thread_stop))?)
    } else {
        let (recorder, drainer) = Statsd::new(dsn).recorder()?;
        let recorder: Boxed = Box::new(recorder);
        (recorder, spawn(move || drainer.run_blocking(&thread_stop))?)
    };
    let recorder = with_profile(flags.profile.sent(), recorder);
    Ok((recorder, StatsdSender { stop, thread }))
}

/// Makes a recorder that sends only the gauges of baseplate's monitors, every ten seconds on the wall clock.
fn periodic(dsn: Dsn) -> Result<(Boxed, impl FnOnce(&Stop) + Send + 'static), Box<dyn Error>> {
    let recorder = CellRecorder::new();
    let flusher = Statsd::new(dsn)
        .with_format(LineFormat::CommaTags)
        .with_wall_clock_periods(true)
        .flusher({
            let recorder = recorder.clone();
            move || recorder.snapshot()
        })?
        .with_names(|family| name(family).map(Into::into));
    Ok((Box::new(recorder), move |stop: &Stop| flusher.run_blocking(stop)))
}

/// Returns the dotted name of a monitor gauge; `None` for other metrics, which are not sent.
fn name(family: &Family) -> Option<String> {
    let rest = family.name.strip_prefix("runtime_")?;
    Some(match rest.strip_prefix("pool_") {
        Some(rest) => format!("runtime.pool.{rest}"),
        None => format!("runtime.{rest}"),
    })
}

fn spawn(send: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("statsd".to_owned()).spawn(send)
}
