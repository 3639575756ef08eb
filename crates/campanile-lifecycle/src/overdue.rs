//! Ends the process if a shutdown that a signal requested does not end by itself.

use std::fs;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::driver::CUT_GRACE;
use crate::phase::Phase;
use crate::signal_actions::exit_now;
use crate::state::LifecycleState;

/// The exit code of a process whose runtime made no progress.
const EXIT_STUCK: i32 = 4;
/// Added to the time limits of a shutdown, for a machine under load.
const MARGIN: Duration = Duration::from_secs(1);
/// How long the last log lines may take. A log that blocks must not keep the process alive.
const LOG_TIME: Duration = Duration::from_secs(1);

/// When a shutdown is overdue; never before the first signal.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    at: Option<Instant>,
    forced: bool,
}

impl Overdue {
    pub(crate) fn on_signal(&mut self, state: &LifecycleState, signals_seen: u32) {
        let config = &state.config;
        if !config.exit_when_stuck {
            return;
        }
        let left = match signals_seen {
            1 => config.drain_time + config.stop_timeout,
            2 => config.stop_timeout,
            _ => Duration::ZERO,
        };
        self.forced |= signals_seen > 2;
        let at = Instant::now() + left + CUT_GRACE + MARGIN;
        self.at = Some(self.at.map_or(at, |known| known.min(at)));
    }

    pub(crate) const fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Returns whether the service has not stopped in time. One whose thread made progress has time until the stop timeout.
    pub(crate) fn is_over(&mut self, state: &LifecycleState, now: Instant, late: bool) -> bool {
        if self.at.is_none_or(|at| now < at) {
            return false;
        }
        if state.phase() == Phase::Stopped {
            self.at = None;
            return false;
        }
        let stop_deadline = state.stop_deadline().filter(|_| !self.forced);
        let later = stop_deadline
            .map(|at| at.into_std() + CUT_GRACE + MARGIN)
            .filter(|at| *at > now);
        self.at = later.or_else(|| late.then(|| now + MARGIN));
        self.at.is_none()
    }
}

/// Logs what the process was doing, and ends it.
pub(crate) fn end_process(state: &Arc<LifecycleState>) -> ! {
    let (done, logged) = mpsc::channel::<()>();
    let log = thread::Builder::new().name(String::from("dump")).spawn({
        let state = Arc::clone(state);
        move || {
            dump(&state);
            drop(done);
        }
    });
    if log.is_ok() {
        let _ = logged.recv_timeout(LOG_TIME);
    }
    exit_now(EXIT_STUCK)
}

fn dump(state: &LifecycleState) {
    let phase = state.phase();
    let in_flight = state.in_flight.count();
    let held = state.guard_names.held().join(", ");
    let text = "the shutdown did not end in time, since the runtime makes no progress; ending the process";
    if tracing::dispatcher::has_been_set() {
        tracing::error!(%phase, in_flight, held, exit_code = EXIT_STUCK, "{text}");
        for thread in threads() {
            tracing::error!("{thread}");
        }
    } else {
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "{text} (phase {phase}, {in_flight} in flight)");
    }
    if let Some(dump) = state.on_stuck.get() {
        dump.run();
    }
}

/// Describes each thread of the process: its name, its state and where in the kernel it waits. Only on Linux.
fn threads() -> Vec<String> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let describe = |task: fs::DirEntry| {
        let path = task.path();
        let read = |name| fs::read_to_string(path.join(name)).unwrap_or_default();
        let status = read("status");
        let run_state = status.lines().find_map(|line| line.strip_prefix("State:"));
        format!(
            "thread {} {:?}: {}, {}",
            task.file_name().display(),
            read("comm").trim_end(),
            run_state.unwrap_or("unknown state").trim(),
            match read("wchan").trim() {
                "" | "0" => "not waiting in the kernel",
                function => function,
            }
        )
    };
    tasks.flatten().map(describe).collect()
}
