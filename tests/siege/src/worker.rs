//! A process that records into the shared directory and is killed at some point.

use std::{io, path::Path, thread, time::Duration};

use campanile_recorder::CellRecorder;

/// The gauge that is 1 while a worker lives.
pub const WORKER_GAUGE: &str = "siege_workers";

/// Records until it is killed, or until its parent closes standard input.
///
/// # Errors
///
/// If the directory cannot be opened.
pub fn run(directory: &Path) -> io::Result<()> {
    let recorder = CellRecorder::builder()
        .open(directory)
        .map_err(io::Error::other)?;
    recorder.install().map_err(io::Error::other)?;
    metrics::gauge!(WORKER_GAUGE).set(1.0);
    thread::spawn(|| {
        loop {
            metrics::counter!("siege_ticks_total", "tick" => fastrand::u8(..20).to_string()).increment(1);
            metrics::histogram!("siege_tick_seconds").record(fastrand::f64());
            thread::sleep(Duration::from_millis(10));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink()).map(drop)
}
