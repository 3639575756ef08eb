//! This program again, as a service in a process of its own, which signals can be sent to.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use campanile_lifecycle::{Lifecycle, Notifier, Settings};
use rustix::process::{Pid, Signal, kill_process};

const SCENARIO: &str = "CAMPANILE_LIFECYCLE_CHILD";
/// Nothing that a child does takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running child.
pub(crate) struct Service {
    child: Child,
    lines: Receiver<String>,
}

impl Service {
    pub(crate) fn start(scenario: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program has a path"));
        command
            .args(["--exact", "child::service", "--ignored", "--nocapture"])
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_PID")
            .env_remove("WATCHDOG_USEC")
            .env(SCENARIO, scenario)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program starts");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the child is there");
    }

    /// Waits for the child to say this.
    #[track_caller]
    pub(crate) fn expect(&self, line: &str) {
        let mut heard = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(said) if said.ends_with(line) => return,
                Ok(said) => heard.push(said),
                Err(RecvTimeoutError::Timeout) => panic!("not `{line}` within {PATIENCE:?}, but {heard:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("not `{line}` before its end, but {heard:?}"),
            }
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is a child of ours") {
                return status;
            }
            assert!(Instant::now() < deadline, "has not ended within {PATIENCE:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// The child's side. It does nothing unless it is a child.
#[test]
#[ignore = "runs in a process of its own"]
#[expect(
    clippy::exit,
    reason = "a test that returns a code has the harness end with one of its own"
)]
fn service() {
    let Ok(scenario) = env::var(SCENARIO) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let code = runtime.block_on(serve(&scenario));
    let known = [0, 3].into_iter().find(|known| code == ExitCode::from(*known));
    std::process::exit(known.map_or(1, i32::from));
}

async fn serve(scenario: &str) -> ExitCode {
    let hour = Duration::from_secs(3600);
    let mut settings = Settings::new()
        .with_drain_time(hour)
        .with_stop_timeout(hour)
        .with_exit_nonzero_when_cut(true);
    if matches!(scenario, "quick" | "pre-stop") {
        settings = settings.with_drain_time(Duration::from_millis(1500));
    }
    let mut lifecycle = Lifecycle::new(settings).expect("an hour is not too long");
    lifecycle.install_signals().expect("the system has handlers");
    let notifier = Notifier::from_environment().expect("the address is a path");
    let handle = lifecycle.handle();
    if let Some(notifier) = notifier {
        if let Some(watchdog) = notifier.watchdog().expect("the environment is a number") {
            tokio::spawn(watchdog.run());
        }
        lifecycle = lifecycle.with_notifier(notifier);
    }
    if scenario == "slow start" {
        say("starting");
        // Nothing is polled meanwhile. The end is the parent's signal, which is pending or was handled by then.
        thread::sleep(Duration::from_millis(500));
    }
    if scenario == "pre-stop" {
        let hook = handle.clone();
        tokio::spawn(async move {
            hook.ready().await;
            hook.drain();
        });
    }
    let hold = (scenario == "held").then(|| handle.hold_named("straggler"));
    tokio::spawn(async move {
        handle.ready().await;
        say(handle.phase().as_str());
        handle.draining().await;
        say("draining");
        handle.draining_over().await;
        say("stopping");
    });
    let report = lifecycle.run().await;
    say(&format!("ended: {}", report.reason()));
    drop(hold);
    report.exit_code()
}
