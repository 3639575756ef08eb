//! A process that is read line by line and ended by its id.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// An example that runs. Dropping it ends the process.
#[derive(Debug)]
pub struct Example {
    child: Child,
    lines: Receiver<Line>,
    stdout: Vec<String>,
    stderr: String,
}

/// How an example ended, and what it said.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// The lines on stdout, from the first.
    pub stdout: Vec<String>,
    /// All on stderr.
    pub stderr: String,
}

#[derive(Debug)]
enum Line {
    Out(String),
    Err(String),
}

impl Example {
    /// Starts a program, whose path a test knows by `env!("CARGO_BIN_EXE_…")`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    #[must_use]
    pub fn start(program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let (sender, lines) = channel();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let out = sender.clone();
        thread::spawn(move || read(stdout, |line| out.send(Line::Out(line)).is_ok()));
        thread::spawn(move || read(stderr, |line| sender.send(Line::Err(line)).is_ok()));
        Self {
            child,
            lines,
            stdout: Vec::new(),
            stderr: String::new(),
        }
    }

    /// Waits for the line that begins so, and returns what follows.
    ///
    /// # Panics
    ///
    /// When the process ends without such a line, or says none within thirty seconds.
    pub fn wait_for(&mut self, beginning: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut seen = 0;
        loop {
            for line in &self.stdout[seen..] {
                if let Some(rest) = line.strip_prefix(beginning) {
                    return rest.to_owned();
                }
            }
            seen = self.stdout.len();
            if let Err(why) = self.read_line(end) {
                panic!(
                    "no line `{beginning}…`: {why}; stdout {:#?}, stderr {}",
                    self.stdout, self.stderr
                );
            }
        }
    }

    /// Waits for `listening on ADDR` and returns the address.
    ///
    /// # Panics
    ///
    /// As [`Self::wait_for`] does.
    pub fn listening_on(&mut self) -> SocketAddr {
        address(&self.wait_for("listening on "))
    }

    /// Waits for `admin on ADDR` and returns the address.
    ///
    /// # Panics
    ///
    /// As [`Self::wait_for`] does.
    pub fn admin_on(&mut self) -> SocketAddr {
        address(&self.wait_for("admin on "))
    }

    /// Sends what Ctrl-C sends.
    ///
    /// # Panics
    ///
    /// When the signal cannot be sent.
    pub fn interrupt(&self) {
        let sent = Command::new("sh")
            .args(["-c", "kill -INT \"$0\""])
            .arg(self.child.id().to_string())
            .status();
        assert!(
            sent.as_ref().is_ok_and(ExitStatus::success),
            "no SIGINT could be sent: {sent:?}"
        );
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Panics
    ///
    /// When it goes on for thirty seconds.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        let end = Instant::now() + PATIENCE;
        while self.read_line(end).is_ok() {}
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Ended {
                    status,
                    stdout: std::mem::take(&mut self.stdout),
                    stderr: std::mem::take(&mut self.stderr),
                };
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!(
            "it did not end within {PATIENCE:?}; stdout {:#?}, stderr {}",
            self.stdout, self.stderr
        );
    }

    fn read_line(&mut self, end: Instant) -> Result<(), &'static str> {
        let left = end.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(Line::Out(line)) => self.stdout.push(line),
            Ok(Line::Err(line)) => {
                self.stderr.push_str(&line);
                self.stderr.push('\n');
            }
            Err(RecvTimeoutError::Timeout) => return Err("waited too long"),
            Err(RecvTimeoutError::Disconnected) => return Err("the process said its last"),
        }
        Ok(())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
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
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no address"))
}
