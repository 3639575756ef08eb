//! Tests in a process of their own, and in a network of their own.

use std::io::Write;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_listen::{Accepted, Closing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::support::within;

const CHILD: &str = "CAMPANILE_TEST_ALONE";
const SKIP_NOTHING: &str = "CAMPANILE_SKIP_NOTHING";

/// Runs the test of this name, which calls it, in a process of its own. True in there.
pub(crate) fn in_process(test: &str) -> bool {
    inside(test) || {
        run(&mut Command::new(std::env::current_exe().unwrap()), test);
        false
    }
}

/// Runs the test of this name, which calls it, in a process and a network of its own that has nothing but `lo`. True
/// in there. Where that takes a privilege that is not to be had, the test skips itself and says so.
pub(crate) fn in_namespace(test: &str) -> bool {
    if inside(test) {
        return true;
    }
    let ways: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
    let works = |way: &&&[&str]| {
        let tried = Command::new("unshare")
            .args(**way)
            .args(["ip", "link", "set", "lo", "up"])
            .output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    let Some(way) = ways.iter().find(works) else {
        let why =
            "a network namespace is not to be had: it takes `unshare`, `ip`, and root or user namespaces";
        assert!(
            std::env::var_os(SKIP_NOTHING).is_none(),
            "{SKIP_NOTHING} is set, but {why}"
        );
        skipped(why);
        return false;
    };
    let up = r#"ip link set lo up && exec "$0" "$@""#;
    let exe = std::env::current_exe().unwrap();
    run(
        Command::new("unshare").args(*way).args(["sh", "-c", up]).arg(exe),
        test,
    );
    false
}

#[expect(
    clippy::print_stdout,
    reason = "whoever reads the tests' output wants to know"
)]
fn skipped(why: &str) {
    println!("skipped: {why}");
}

fn inside(test: &str) -> bool {
    std::env::var_os(CHILD).is_some_and(|child| child == test)
}

fn run(command: &mut Command, test: &str) {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, test)
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{test}: {status}\n{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "there is no test {test}:\n{stdout}");
}

/// Runs a command of the namespace.
pub(crate) fn ip(arguments: &str) {
    let status = Command::new("ip")
        .args(arguments.split_whitespace())
        .status()
        .unwrap();
    assert!(status.success(), "ip {arguments}: {status}");
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

/// Answers one request, if it can be called that: a byte for a byte.
pub(crate) async fn serve(mut accepted: Accepted) {
    let byte = within("a request", accepted.io.read_u8()).await.unwrap();
    accepted.io.write_u8(byte + 1).await.unwrap();
    // Until the client has gone, so that it is the client who waits for the port.
    let _ = tokio::time::timeout(Duration::from_secs(1), accepted.io.read_u8()).await;
}

/// Serves what comes out of the close, and returns how many there were.
pub(crate) async fn serve_all(mut closing: Closing) -> usize {
    let mut served = JoinSet::new();
    while let Some(accepted) = within("the end of the close", closing.accept()).await {
        served.spawn(serve(accepted));
    }
    let count = served.len();
    while let Some(result) = served.join_next().await {
        result.unwrap();
    }
    count
}

/// What was logged in this process since.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn begin() -> Self {
        let log = Self::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        log
    }

    /// Counts the lines that contain a text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.text().lines().filter(|line| line.contains(text)).count()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
