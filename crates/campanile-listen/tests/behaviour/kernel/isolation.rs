//! Runs tests in a separate process or network namespace.

use std::io::Write;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_listen::{Accepted, Closing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::support::within;

const CHILD: &str = "CAMPANILE_TEST_ISOLATED";
const SKIP_NOTHING: &str = "CAMPANILE_SKIP_NOTHING";

/// Runs the calling test, named `test`, again in its own process. Returns true inside that process.
pub(crate) fn in_process(test: &str) -> bool {
    inside(test) || {
        run(&mut Command::new(std::env::current_exe().unwrap()), test);
        false
    }
}

/// Runs the calling test, named `test`, again in its own process and network namespace with `lo` only. Returns true
/// inside. Without the privilege for that the test is skipped with a message.
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
            "network namespaces are unavailable: they need `unshare`, `ip`, and root or user namespaces";
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

#[expect(clippy::print_stdout, reason = "a skipped test must show in the output")]
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

/// Runs `ip` in the namespace.
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

/// Serves one exchange: reads a byte, writes its successor.
pub(crate) async fn serve(mut accepted: Accepted) {
    let byte = within("a request", accepted.io.read_u8()).await.unwrap();
    accepted.io.write_u8(byte + 1).await.unwrap();
    // Until the client disconnects, so that TIME_WAIT is on its side.
    let _ = tokio::time::timeout(Duration::from_secs(1), accepted.io.read_u8()).await;
}

/// Serves the connections of a close, and returns their number.
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

/// The log of this process.
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
