//! What is sent to statsd beside what is scraped.

use std::{
    error::Error,
    io,
    thread::{self, JoinHandle},
};

use campanile_recorder::{
    CellRecorder, Family,
    statsd::{Dsn, LineFormat, Statsd, Stop},
};

use super::{Boxed, worn};
use crate::{
    flags::{Flags, Server},
    profile::Profile,
};

/// What sends. It does on a thread of its own, so that what a runtime that stands still did last is sent too.
#[derive(Debug)]
pub(super) struct Sending {
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Sending {
    /// Sends what is left.
    pub(super) fn finish(self) {
        self.stop.stop();
        if self.thread.join().is_err() {
            tracing::error!("what sends to statsd has panicked");
        }
    }
}

/// Makes the recorder whose metrics go to a server.
pub(super) fn recorder(flags: &Flags, server: &Server) -> Result<(Boxed, Sending), Box<dyn Error>> {
    let dsn = Dsn::udp(
        &server.to_string(),
        flags.statsd_prefix.as_deref().unwrap_or_default(),
    )?;
    let stop = Stop::new();
    let told = stop.clone();
    let (recorder, thread) = if flags.profile == Profile::Baseplate {
        let (recorder, flush) = periodic(dsn)?;
        (recorder, spawn(move || flush(&told))?)
    } else {
        let (recorder, drainer) = Statsd::new(dsn).recorder()?;
        let recorder: Boxed = Box::new(recorder);
        (recorder, spawn(move || drainer.run_blocking(&told))?)
    };
    let recorder = worn(flags.profile.sent(), recorder);
    Ok((recorder, Sending { stop, thread }))
}

/// Makes a recorder whose gauges are sent as baseplate's monitors send them: each ten seconds on the wall clock, and
/// nothing else.
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

/// Puts back the dots that a snapshot's names lack. Other metrics than the monitors' are not sent.
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
