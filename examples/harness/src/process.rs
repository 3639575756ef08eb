//! An example as a child process.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A running example. Dropping it kills the process.
#[derive(Debug)]
pub struct Example {
    child: Child,
    lines: Receiver<Line>,
    stdout: Vec<String>,
    stderr: String,
}

/// The exit status and output of an example.
#[derive(Debug)]
#[non_exhaustive]
pub struct ExampleOutput {
    /// The exit code or signal.
    pub status: ExitStatus,
    /// All lines of stdout.
    pub stdout: Vec<String>,
    /// All of stderr.
    pub stderr: String,
}

#[derive(Debug)]
enum Line {
    Stdout(String),
    Stderr(String),
}

impl Example {
    /// Starts a program. Tests get its path from `env!("CARGO_BIN_EXE_…")`.
    ///
    /// # Panics
    ///
    /// Panics if the program cannot be started.
    #[must_use]
    pub fn start(program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
        let (sender, lines) = channel();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let out = sender.clone();
        thread::spawn(move || read(stdout, |line| out.send(Line::Stdout(line)).is_ok()));
        thread::spawn(move || read(stderr, |line| sender.send(Line::Stderr(line)).is_ok()));
        Self {
            child,
            lines,
            stdout: Vec::new(),
            stderr: String::new(),
        }
    }

    /// Waits for a line on stdout with this prefix, and returns the rest of the line.
    ///
    /// # Panics
    ///
    /// Panics if the process exits without such a line, or prints none within thirty seconds.
    pub fn wait_for(&mut self, prefix: &str) -> String {
        let end = Instant::now() + TIMEOUT;
        let mut seen = 0;
        loop {
            for line in &self.stdout[seen..] {
                if let Some(rest) = line.strip_prefix(prefix) {
                    return rest.to_owned();
                }
            }
            seen = self.stdout.len();
            if let Err(reason) = self.read_line(end) {
                panic!(
                    "no line `{prefix}…`: {reason}; stdout {:#?}, stderr {}",
                    self.stdout, self.stderr
                );
            }
        }
    }

    /// Waits for `listening on ADDR` and returns the address.
    ///
    /// # Panics
    ///
    /// Panics like [`Self::wait_for`].
    pub fn listening_on(&mut self) -> SocketAddr {
        address(&self.wait_for("listening on "))
    }

    /// Waits for `admin on ADDR` and returns the address.
    ///
    /// # Panics
    ///
    /// Panics like [`Self::wait_for`].
    pub fn admin_on(&mut self) -> SocketAddr {
        address(&self.wait_for("admin on "))
    }

    /// Sends SIGINT, like Ctrl-C.
    ///
    /// # Panics
    ///
    /// Panics if the signal cannot be sent.
    pub fn interrupt(&self) {
        let sent = Command::new("sh")
            .args(["-c", "kill -INT \"$0\""])
            .arg(self.child.id().to_string())
            .status();
        assert!(
            sent.as_ref().is_ok_and(ExitStatus::success),
            "cannot send SIGINT: {sent:?}"
        );
    }

    /// Waits until the process exits.
    ///
    /// # Panics
    ///
    /// Panics if it is still running after thirty seconds.
    #[must_use]
    pub fn wait(mut self) -> ExampleOutput {
        let end = Instant::now() + TIMEOUT;
        while self.read_line(end).is_ok() {}
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return ExampleOutput {
                    status,
                    stdout: std::mem::take(&mut self.stdout),
                    stderr: std::mem::take(&mut self.stderr),
                };
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!(
            "still running after {TIMEOUT:?}; stdout {:#?}, stderr {}",
            self.stdout, self.stderr
        );
    }

    fn read_line(&mut self, end: Instant) -> Result<(), &'static str> {
        let left = end.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(Line::Stdout(line)) => self.stdout.push(line),
            Ok(Line::Stderr(line)) => {
                self.stderr.push_str(&line);
                self.stderr.push('\n');
            }
            Err(RecvTimeoutError::Timeout) => return Err("timed out"),
            Err(RecvTimeoutError::Disconnected) => return Err("the process closed its output"),
        }
        Ok(())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // Fails if the process has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(pipe: Option<impl Read>, send: impl Fn(String) -> bool) {
    let lines = pipe.into_iter().flat_map(|pipe| BufReader::new(pipe).lines());
    for line in lines.map_while(Result::ok) {
        if !send(line) {
            break;
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse()
        .unwrap_or_else(|_| panic!("`{text}` is not an address"))
}
