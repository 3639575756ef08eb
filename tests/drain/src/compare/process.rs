//! Child processes that are killed when dropped.

use std::{
    io,
    net::SocketAddr,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
    time::timeout,
};

use crate::{client::h2::RequestKind, load::LoadKind, request_outcome::OutcomeCounts};

/// How long a load may take to respond to a command.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process and its children: a process group, killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// `None` once it has exited, because the ID may be reused.
    id: Option<Pid>,
}

impl Process {
    pub(super) fn start(command: Command) -> io::Result<Self> {
        let name = command.get_program().display().to_string();
        let mut command = tokio::process::Command::from(command);
        let child = command
            .process_group(0)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("cannot start {name}: {error}")))?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(Self { child, id })
    }

    /// Signals the process alone.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        self.id.map_or(Ok(()), |id| Ok(kill_process(id, signal)?))
    }

    /// Signals the process and its children.
    pub(super) fn signal_all(&self, signal: Signal) -> io::Result<()> {
        self.id.map_or(Ok(()), |id| Ok(kill_process_group(id, signal)?))
    }

    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.id = None;
        Ok(status)
    }

    pub(super) fn has_ended(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.id = None;
        }
        Ok(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process has probably exited.
        let _ = self.signal_all(Signal::KILL);
    }
}

/// A load in a child process.
#[derive(Debug)]
pub(super) struct LoadProcess {
    process: Process,
    commands: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl LoadProcess {
    pub(super) fn start(
        kind: LoadKind,
        address: SocketAddr,
        connections: usize,
        request_kind: RequestKind,
    ) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let name = kind.to_possible_value().expect("no kind is skipped");
        command.args([
            "load",
            name.get_name(),
            &address.to_string(),
            &connections.to_string(),
        ]);
        if request_kind == RequestKind::Grpc {
            command.arg("--grpc");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(command)?;
        let commands = process.child.stdin.take().expect("stdin is piped");
        let lines = process.child.stdout.take().expect("stdout is piped");
        Ok(Self {
            process,
            commands,
            lines: BufReader::new(lines).lines(),
        })
    }

    /// Sends a command as a line.
    pub(super) async fn send_command(&mut self, command: &str) -> io::Result<()> {
        self.commands.write_all(format!("{command}\n").as_bytes()).await
    }

    /// Waits until all connections of a burst are open or have failed.
    pub(super) async fn connected(&mut self) -> io::Result<()> {
        self.line().await.map(drop)
    }

    /// Ends the load, and returns its outcomes.
    pub(super) async fn finish(mut self) -> io::Result<OutcomeCounts> {
        // A load whose requests were all refused may have exited, with its outcomes in the pipe.
        let _ = self.send_command("finish").await;
        loop {
            let line = self.line().await?;
            if line.starts_with('{') {
                self.process.ended().await?;
                return Ok(serde_json::from_str(&line)?);
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let line = timeout(PATIENCE, self.lines.next_line())
            .await
            .map_err(|_| io::Error::other("a load does not respond"))?;
        line?.ok_or_else(|| io::Error::other("a load failed"))
    }
}
