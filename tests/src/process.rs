//! Runs a program of this workspace as a child process.

use std::{
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a program may take to start or to exit.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Returns a free address for a program that needs an explicit port. The port is below the ephemeral range, so that no
/// client is assigned it before the program binds it.
///
/// # Panics
///
/// If none of a hundred ports is free.
#[must_use]
pub fn free_address() -> SocketAddr {
    let random = || SocketAddr::from(([127, 0, 0, 1], fastrand::u16(20_000..32_000)));
    std::iter::repeat_with(random)
        .take(100)
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("one of a hundred ports is free")
}

/// A running program. Dropping it kills the process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
    listening: String,
    admin: String,
}

impl Process {
    /// Starts a program and waits until it has printed `listening on` and `admin on`.
    ///
    /// # Panics
    ///
    /// If the program does not start, or is not ready within half a minute.
    #[must_use]
    pub fn start(program: &str, flags: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(flags)
            .env("RUST_BACKTRACE", "0")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
        let (sender, lines) = mpsc::channel();
        let out = child.stdout.take().expect("stdout is piped");
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let log = Arc::new(Mutex::new(String::new()));
        let errors = child.stderr.take().expect("stderr is piped");
        let kept = Arc::clone(&log);
        thread::spawn(move || append_log(errors, &kept));
        let mut process = Self {
            child,
            lines,
            log,
            listening: String::new(),
            admin: String::new(),
        };
        process.listening = process.announced("listening on ");
        process.admin = process.announced("admin on ");
        process
    }

    /// Returns the address that the service printed.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.listening
    }

    /// Returns the address of the admin port that the program printed.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Returns the process ID.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns what the program has written to standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `matches` returns true for the log.
    ///
    /// # Panics
    ///
    /// After half a minute.
    pub fn wait_for_log(&self, what: &str, matches: impl Fn(&str) -> bool) {
        wait_until(
            || matches(&self.log()),
            || format!("{what} is not in the log:\n{}", self.log()),
        );
    }

    /// Sends a signal, named as for `kill -s`.
    ///
    /// # Panics
    ///
    /// If `kill` fails.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "cannot send {name} to {id}"
        );
    }

    /// Waits until the program exits.
    ///
    /// # Panics
    ///
    /// After half a minute.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        let log = Arc::clone(&self.log);
        wait_until(
            || {
                status = self.child.try_wait().expect("a child can be waited for");
                status.is_some()
            },
            || {
                format!(
                    "the program does not exit:\n{}",
                    log.lock().unwrap_or_else(PoisonError::into_inner)
                )
            },
        );
        status.expect("the wait ended with a status")
    }

    fn announced(&mut self, what: &str) -> String {
        match self.lines.recv_timeout(TIMEOUT) {
            Ok(line) => match line.strip_prefix(what) {
                Some(address) => address.to_owned(),
                None => panic!("expected `{what}…`, the program printed `{line}`"),
            },
            Err(_) => {
                let status = self.child.try_wait();
                panic!(
                    "the program did not print `{what}…`; status: {status:?}; log:\n{}",
                    self.log()
                )
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn append_log(mut from: impl Read, log: &Mutex<String>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..count]);
        log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
    }
}

/// Polls `condition` every few milliseconds until it returns true.
///
/// # Panics
///
/// After half a minute, with the message of `why`.
pub fn wait_until(mut condition: impl FnMut() -> bool, why: impl FnOnce() -> String) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < TIMEOUT, "after {TIMEOUT:?}: {}", why());
        thread::sleep(Duration::from_millis(5));
    }
}
