//! The siege: starts the server, its clients and its misfortunes, and measures what is left.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    attacks::Tally,
    files,
    good::{GoodClients, fetch},
    process::{End, ServerProcess, Usage},
    report::Report,
    serve::{IDLE_TIMEOUT, ServerKind},
    targets::{Target, Targets},
};

/// The time between two shutdowns in a long siege.
const RESTART_INTERVAL: Duration = Duration::from_secs(15);
/// How long the last process runs until the attacks end, at least.
const LAST_RUN: Duration = Duration::from_secs(30);
/// How long the server is frozen.
const FREEZE: Duration = Duration::from_secs(6);
/// A siege up to this duration is a short one.
const SHORT: Duration = Duration::from_secs(60);

/// Gauges that must be zero when all clients have left.
const ZERO_GAUGES: &[&str] = &[
    "http_server_active_requests",
    "http_server_open_connections",
    "http_server_upgraded_connections",
    "http_client_",
    "listener_backlog_pending",
    "siege_workers",
];

/// A siege of one server.
#[derive(Debug)]
pub struct Siege {
    kind: ServerKind,
    duration: Duration,
    program: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Restart,
    Freeze,
}

impl Siege {
    /// Makes a siege of this duration.
    #[must_use]
    pub fn new(kind: ServerKind, duration: Duration) -> Self {
        Self {
            kind,
            duration,
            program: None,
        }
    }

    /// Sets the program of the child processes. By default it is the current one.
    #[must_use]
    pub fn with_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Besieges the server.
    ///
    /// # Errors
    ///
    /// If the siege cannot be made; what the server does wrong is in the report.
    pub async fn run(self) -> io::Result<Report> {
        let folder = Folder::create(self.kind)?;
        let program = self.program.clone().map_or_else(std::env::current_exe, Ok)?;
        let mut report = Report::new(self.kind, self.duration);
        self.besiege(&folder.0, &program, &mut report).await?;
        Ok(report)
    }

    async fn besiege(&self, folder: &Path, program: &Path, report: &mut Report) -> io::Result<()> {
        let all = self.kind == ServerKind::Campanile;
        let targets = Arc::new(Targets::bind(folder)?);
        let mut generation = 0;
        let mut server = ServerProcess::start(program, self.kind, folder, generation, &targets).await?;
        targets.set_admin(server.admin());
        let newest = Arc::new(AtomicI32::new(server.id().as_raw_nonzero().get()));

        // The server is warm before it is measured.
        let good = GoodClients::default();
        let mut clients = JoinSet::new();
        good.start(&targets, all, &mut clients)?;
        sleep(Duration::from_secs(2)).await;
        clients.shutdown().await;
        sleep(IDLE_TIMEOUT + Duration::from_secs(1)).await;
        report.before = server.usage()?;
        good.start(&targets, all, &mut clients)?;

        let tally = Tally::default();
        let mut attackers = JoinSet::new();
        let served: &[Target] = if all {
            &[Target::Plain, Target::Tls, Target::Unix, Target::Admin]
        } else {
            &[Target::Plain]
        };
        tally.start(&targets, served, &mut attackers);
        if all {
            let directory = folder.join("metrics");
            let attack = files::attack(program.to_owned(), directory, Arc::clone(&newest), tally.clone());
            attackers.spawn(attack);
        }

        let begun = Instant::now();
        let mut leaving = JoinSet::new();
        for (at, event) in self.events() {
            wait_until(begun + at, &mut server, report).await?;
            match event {
                Event::Restart => {
                    generation += 1;
                    let successor =
                        ServerProcess::start(program, self.kind, folder, generation, &targets).await?;
                    targets.set_admin(successor.admin());
                    newest.store(successor.id().as_raw_nonzero().get(), Ordering::Relaxed);
                    let predecessor = std::mem::replace(&mut server, successor);
                    leaving.spawn(predecessor.stop());
                    report.restarts += 1;
                }
                Event::Freeze => {
                    server.signal(Signal::STOP)?;
                    sleep(FREEZE).await;
                    server.signal(Signal::CONT)?;
                    report.freezes += 1;
                }
            }
        }
        wait_until(begun + self.duration, &mut server, report).await?;
        attackers.shutdown().await;
        sleep(Duration::from_secs(2)).await;
        clients.shutdown().await;
        while let Some(end) = leaving.join_next().await {
            report.count_end(end.map_err(io::Error::other)??);
        }
        // All that is left open reaches its time limits.
        sleep(2 * IDLE_TIMEOUT).await;
        report.after = server.usage()?;
        report.endings = tally.endings();
        report.good = good.served();
        if all {
            let admin = targets.connect(Target::Admin, false).await?;
            let (_, metrics) = fetch(admin, "/metrics").await.map_err(io::Error::other)?;
            take_metrics(&String::from_utf8_lossy(&metrics), report);
        }
        report.count_end(server.stop().await?);
        for generation in 0..=generation {
            if let Ok(log) = fs::read(folder.join(format!("log-{generation}"))) {
                report.add_log(&String::from_utf8_lossy(&log));
            }
        }
        Ok(())
    }

    fn events(&self) -> Vec<(Duration, Event)> {
        if self.duration <= SHORT {
            let part = self.duration / 5;
            return vec![(part, Event::Restart), (2 * part, Event::Freeze)];
        }
        let mut events = vec![(self.duration / 2, Event::Freeze)];
        let restarts = (1..).map(|number| RESTART_INTERVAL * number);
        events.extend(
            restarts
                .take_while(|at| *at + LAST_RUN <= self.duration)
                .map(|at| (at, Event::Restart)),
        );
        events.sort_by_key(|(at, _)| *at);
        events
    }
}

/// Samples the server until then.
async fn wait_until(deadline: Instant, server: &mut ServerProcess, report: &mut Report) -> io::Result<()> {
    while Instant::now() < deadline {
        let usage: Usage = server.usage()?;
        report.peak = report.peak.max(usage);
        if let Some(status) = server.ended()? {
            report.count_end(End::Exited(status));
            return Err(io::Error::other(format!(
                "the server ended under siege: {status}"
            )));
        }
        sleep_until(deadline.min(Instant::now() + Duration::from_millis(500))).await;
    }
    Ok(())
}

fn take_metrics(text: &str, report: &mut Report) {
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        report.series += 1;
        let Some((name, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let zero = ZERO_GAUGES.iter().any(|gauge| name.starts_with(gauge));
        let is_gauge = !name.contains("_total") && !name.contains("_seconds");
        if zero && is_gauge && value.parse() != Ok(0.0) {
            report.nonzero_gauges.push(line.to_owned());
        }
        if name.starts_with("campanile_recorder_") || name.contains("rejected") {
            report.notable.push(line.to_owned());
        }
    }
}

/// The folder of a siege, removed when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create(kind: ServerKind) -> io::Result<Self> {
        let name = format!("campanile-siege-{}-{kind:?}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Without effect on the result.
        let _ = fs::remove_dir_all(&self.0);
    }
}
