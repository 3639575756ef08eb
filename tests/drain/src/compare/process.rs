//! Processes that end with whoever started them.

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

use crate::{client::h2::Ask, fate::Tally, load::Kind};

/// How long a load may take for what it does at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process and whatever it starts: a group of its own, killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// `None` once it has ended: its number may then be another's.
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

    /// Signals the process and all that it started.
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
        // Gone already, most likely.
        let _ = self.signal_all(Signal::KILL);
    }
}

/// A load in a process of its own.
#[derive(Debug)]
pub(super) struct LoadProcess {
    process: Process,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl LoadProcess {
    pub(super) fn start(kind: Kind, address: SocketAddr, connections: usize, ask: Ask) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let name = kind.to_possible_value().expect("no kind is skipped");
        command.args([
            "load",
            name.get_name(),
            &address.to_string(),
            &connections.to_string(),
        ]);
        if ask == Ask::Grpc {
            command.arg("--grpc");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(command)?;
        let orders = process.child.stdin.take().expect("the pipe was asked for");
        let lines = process.child.stdout.take().expect("the pipe was asked for");
        Ok(Self {
            process,
            orders,
            lines: BufReader::new(lines).lines(),
        })
    }

    /// Gives an order, a line.
    pub(super) async fn order(&mut self, order: &str) -> io::Result<()> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await
    }

    /// Waits until all connections of a burst are there, or have failed.
    pub(super) async fn connected(&mut self) -> io::Result<()> {
        self.line().await.map(drop)
    }

    /// Has it come to its end, and returns what it saw.
    pub(super) async fn finish(mut self) -> io::Result<Tally> {
        // Where everything was refused it has ended already, and left its tally in the pipe.
        let _ = self.order("finish").await;
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
            .map_err(|_| io::Error::other("a load says nothing any more"))?;
        line?.ok_or_else(|| io::Error::other("a load has failed"))
    }
}
