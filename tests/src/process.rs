//! Boots a program of this workspace, knows where it answers, and ends it.

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

/// How long a program may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Finds an address for a program that is told its port by number. Below those that the system gives to whoever asks for
/// any, so that no client and no other test comes to have it before the program does.
///
/// # Panics
///
/// If of a hundred ports none is free.
#[must_use]
pub fn own_address() -> SocketAddr {
    let drawn = || SocketAddr::from(([127, 0, 0, 1], fastrand::u16(20_000..32_000)));
    std::iter::repeat_with(drawn)
        .take(100)
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("of a hundred ports one is free")
}

/// A running program. It is killed, by its own id, when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    log: Arc<Mutex<String>>,
    listening: String,
    admin: String,
}

impl Process {
    /// Starts a program and waits until it has said where it listens and where its admin port is.
    ///
    /// # Panics
    ///
    /// If it does not start, or is not ready within half a minute.
    #[must_use]
    pub fn boot(program: &str, flags: &[&str]) -> Self {
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
        let out = child.stdout.take().expect("the pipe was asked for");
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let log = Arc::new(Mutex::new(String::new()));
        let errors = child.stderr.take().expect("the pipe was asked for");
        let kept = Arc::clone(&log);
        thread::spawn(move || keep(errors, &kept));
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

    /// Returns where the service listens, as it said so.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.listening
    }

    /// Returns where the admin port is, as it said so.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Returns its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it has written to its standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until its log satisfies `seen`.
    ///
    /// # Panics
    ///
    /// If that does not happen within half a minute.
    pub fn wait_for_log(&self, what: &str, seen: impl Fn(&str) -> bool) {
        wait_until(
            || seen(&self.log()),
            || format!("{what} is not in the log:\n{}", self.log()),
        );
    }

    /// Sends a signal, by the name that `kill` knows.
    ///
    /// # Panics
    ///
    /// If there is no `kill`, or no such process any more.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "cannot send {name} to {id}"
        );
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    ///
    /// If it does not end within half a minute.
    pub fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        let log = Arc::clone(&self.log);
        wait_until(
            || {
                ended = self.child.try_wait().expect("a child can be waited for");
                ended.is_some()
            },
            || {
                format!(
                    "the program goes on:\n{}",
                    log.lock().unwrap_or_else(PoisonError::into_inner)
                )
            },
        );
        ended.expect("waited until it is there")
    }

    fn announced(&mut self, what: &str) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => match line.strip_prefix(what) {
                Some(address) => address.to_owned(),
                None => panic!("expected `{what}…`, the program said `{line}`"),
            },
            Err(_) => {
                let status = self.child.try_wait();
                panic!(
                    "the program never said `{what}…`; its status: {status:?}; its log:\n{}",
                    self.log()
                )
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(mut from: impl Read, log: &Mutex<String>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..count]);
        log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
    }
}

/// Waits until something is so, looking every few milliseconds.
///
/// # Panics
///
/// With what `why` says, if it is not so within half a minute.
pub fn wait_until(mut so: impl FnMut() -> bool, why: impl FnOnce() -> String) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < PATIENCE, "after {PATIENCE:?}: {}", why());
        thread::sleep(Duration::from_millis(5));
    }
}
