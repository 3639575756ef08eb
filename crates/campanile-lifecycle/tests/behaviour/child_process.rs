//! Runs this test binary again as a service in a child process, for tests that send signals.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use campanile_lifecycle::{Lifecycle, Notifier, ShutdownConfig};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::signal::unix::{SignalKind, signal};

const SCENARIO: &str = "CAMPANILE_LIFECYCLE_CHILD";
/// Longer than any step of a child takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A running child process.
pub(crate) struct Service {
    child: Child,
    lines: Receiver<String>,
}

impl Service {
    pub(crate) fn start(scenario: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program has a path"));
        command
            .args(["--exact", "child_process::service", "--ignored", "--nocapture"])
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
        kill_process(pid, signal).expect("the child is running");
    }

    /// Waits for the child to print a line with this end.
    #[track_caller]
    pub(crate) fn expect(&self, line: &str) {
        let mut lines = Vec::new();
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(printed) if printed.ends_with(line) => return,
                Ok(printed) => lines.push(printed),
                Err(RecvTimeoutError::Timeout) => panic!("no `{line}` within {TIMEOUT:?}, but {lines:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("no `{line}` before the end, but {lines:?}"),
            }
        }
    }

    /// Waits for the process to exit.
    #[track_caller]
    pub(crate) fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is not reaped yet") {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after {TIMEOUT:?}");
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

fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// The service in the child process; without the scenario variable it does nothing.
#[test]
#[ignore = "runs in a process of its own"]
#[expect(clippy::exit, reason = "the test harness would exit with a code of its own")]
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
    let mut config = ShutdownConfig::new()
        .with_drain_time(hour)
        .with_stop_timeout(hour)
        .with_exit_nonzero_when_cut(true);
    let bounded = scenario.starts_with("stuck") && !scenario.ends_with("hour");
    if scenario == "quick" || bounded {
        config = config.with_stop_timeout(Duration::from_millis(100));
    }
    if matches!(scenario, "returns" | "own handlers") || bounded {
        config = config.with_drain_time(Duration::from_millis(50));
    }
    if matches!(scenario, "quick" | "pre-stop" | "second service") {
        config = config.with_drain_time(Duration::from_millis(1500));
    }
    let mut lifecycle = Lifecycle::new(config).expect("an hour is not too long");
    lifecycle.install_signals().expect("the system has handlers");
    let notifier = Notifier::from_env().expect("the address is a path");
    let handle = lifecycle.handle();
    if let Some(notifier) = notifier {
        if let Some(watchdog) = notifier.watchdog().expect("the environment is a number") {
            tokio::spawn(watchdog.run());
        }
        lifecycle = lifecycle.with_notifier(notifier);
    }
    let mut own = (scenario == "own handlers")
        .then(|| signal(SignalKind::terminate()).expect("the system has handlers"));
    let second = (scenario == "second service").then(|| {
        let own = signal(SignalKind::terminate()).expect("the system has handlers");
        let mut second = Lifecycle::new(ShutdownConfig::new()).expect("the defaults are valid");
        second.install_signals().expect("the system has handlers");
        (own, second)
    });
    match scenario {
        "stuck with a log that blocks" => {
            lifecycle = lifecycle.with_stuck_log(|| {
                print("logging");
                thread::sleep(Duration::from_secs(3600));
            });
        }
        "stuck with a log that panics" => {
            lifecycle = lifecycle.with_stuck_log(|| panic!("the log panics"));
        }
        "stuck in a hook" => {
            let draining = handle.draining();
            tokio::spawn(handle.task("hook", Duration::from_secs(1), async {
                draining.await;
                print("blocking");
                thread::sleep(Duration::from_secs(3600));
            }));
        }
        "forks" => {
            let handle = handle.clone();
            tokio::spawn(async move {
                handle.ready().await;
                fork();
            });
        }
        _ => {}
    }
    if scenario.starts_with("stuck") && scenario != "stuck in a hook" {
        let handle = handle.clone();
        tokio::spawn(async move {
            handle.ready().await;
            print("blocking");
            // The only thread of the runtime.
            thread::sleep(Duration::from_secs(3600));
        });
    }
    if scenario == "slow start" {
        print("starting");
        // Blocks the runtime, as synchronous start-up work does.
        thread::sleep(Duration::from_millis(500));
    }
    if scenario == "pre-stop" {
        let hook = handle.clone();
        tokio::spawn(async move {
            hook.ready().await;
            hook.drain();
        });
    }
    let guard = (scenario == "held").then(|| handle.named_guard("straggler"));
    tokio::spawn(async move {
        handle.ready().await;
        print(handle.phase().as_str());
        handle.draining().await;
        print("draining");
        handle.drain_elapsed().await;
        print("stopping");
    });
    let report = lifecycle.run().await;
    print(&format!("ended: {}", report.reason()));
    drop(guard);
    if scenario == "returns" {
        // A cleanup that ignores signals.
        print("returned");
        thread::sleep(Duration::from_secs(3600));
    }
    if let Some((mut own, second)) = second {
        own.recv().await;
        print("own handler called");
        second.handle().draining().await;
        print("second service draining");
    }
    if let Some(own) = &mut own {
        // The one that began the shutdown, then one that arrives after it.
        own.recv().await;
        print("own handler called");
        own.recv().await;
        print("own handler called again");
        let further = tokio::time::timeout(Duration::from_millis(300), own.recv()).await;
        assert!(further.is_err(), "the signal was sent again");
    }
    report.exit_code()
}

/// Forks a child that sleeps, and waits for it on a thread.
fn fork() {
    // SAFETY: the child only sleeps.
    #[expect(unsafe_code, reason = "std starts other programs only")]
    let child = unsafe { libc::fork() };
    if child == 0 {
        loop {
            thread::sleep(Duration::from_secs(3600));
        }
    }
    let pid = Pid::from_raw(child).expect("it was forked");
    thread::spawn(move || {
        kill_process(pid, Signal::TERM).expect("the child is running");
        let (_, status) = waitpid(Some(pid), WaitOptions::empty())
            .expect("it is a child")
            .expect("it has ended");
        print(&format!("child ended by {:?}", status.terminating_signal()));
    });
}
