//! A server process, and what the kernel says about it.

use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{
    serve::{DRAIN_TIME, STOP_TIMEOUT, ServerKind},
    targets::Targets,
};

const START: Duration = Duration::from_secs(20);

/// Memory and descriptors of a process.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Usage {
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

impl Usage {
    /// Returns the larger of both, each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            rss_kib: self.rss_kib.max(other.rss_kib),
            descriptors: self.descriptors.max(other.descriptors),
        }
    }
}

/// How a process ended after a graceful shutdown was requested.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::exhaustive_enums, reason = "the report handles each")]
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// By SIGKILL, because the shutdown took too long.
    Killed,
}

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    id: Pid,
    admin: Option<SocketAddr>,
}

impl ServerProcess {
    /// Starts a server on the listeners, and waits until it serves.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn start(
        program: &Path,
        kind: ServerKind,
        folder: &Path,
        generation: u32,
        targets: &Targets,
    ) -> io::Result<Self> {
        let [tcp, tls, unix] = targets.listeners()?;
        let name = kind.to_possible_value().expect("no kind is skipped");
        let mut command = Command::new(program);
        command
            .args(["serve", name.get_name()])
            .arg(folder)
            .arg(generation.to_string())
            .stdin(tcp)
            .kill_on_drop(true);
        if kind == ServerKind::Campanile {
            command.stdout(tls).stderr(unix);
        } else {
            command.stdout(Stdio::null());
        }
        let mut child = command.spawn()?;
        let id = child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .ok_or_else(|| io::Error::other("no process ID"))?;
        let ready = folder.join(format!("ready-{generation}"));
        let deadline = Instant::now() + START;
        loop {
            if let Ok(admin) = fs::read_to_string(&ready) {
                let admin = admin.parse().ok();
                return Ok(Self { child, id, admin });
            }
            if let Some(status) = child.try_wait()? {
                return Err(io::Error::other(format!("a server did not start: {status}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("a server is not ready"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns the address of its admin port.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Returns its ID.
    #[must_use]
    pub fn id(&self) -> Pid {
        self.id
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(self.id, signal)?)
    }

    /// Returns how it ended, if it has.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Returns its memory and descriptors.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn usage(&self) -> io::Result<Usage> {
        let process = Path::new("/proc").join(self.id.as_raw_nonzero().to_string());
        let status = fs::read_to_string(process.join("status"))?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss_kib = rss.and_then(|rss| rss.trim().trim_end_matches(" kB").parse().ok());
        Ok(Usage {
            rss_kib: rss_kib.ok_or_else(|| io::Error::other("no VmRSS"))?,
            descriptors: fs::read_dir(process.join("fd"))?.count(),
        })
    }

    /// Shuts it down gracefully; kills it if that takes far longer than its limits.
    ///
    /// # Errors
    ///
    /// Errors of the system.
    pub async fn stop(mut self) -> io::Result<End> {
        self.signal(Signal::TERM)?;
        let limit = DRAIN_TIME + STOP_TIMEOUT + Duration::from_secs(6);
        match timeout(limit, self.child.wait()).await {
            Ok(status) => Ok(End::Exited(status?)),
            Err(_) => {
                self.child.kill().await?;
                Ok(End::Killed)
            }
        }
    }
}
