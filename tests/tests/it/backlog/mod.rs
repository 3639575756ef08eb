//! The backlog monitor compared with the monitor threads of an instrumented gunicorn.
//!
//! gunicorn inherits the listener of this process, so that both monitor the same socket. The test prints both results.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use campanile_backlog::{Backlog, BacklogMonitor};
use campanile_recorder::{CellRecorder, Format, Profile};
use campanile_tests::external_checkers;
use campanile_tests::process::free_address;

const PACKAGES: [&str; 3] = [
    "gunicorn==23.0.0",
    external_checkers::PYTHON_CLIENT,
    "packaging==25.0",
];
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/backlog/gunicorn.conf.py");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/backlog");
/// Longer than gunicorn takes to start on a machine under load.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The backlog of the listener. gunicorn also sets it on inherited sockets.
const LIMIT: u32 = 8;

/// gunicorn with its two monitor threads. Dropping it ends the master and its workers.
struct Gunicorn {
    child: Child,
    metrics: SocketAddr,
    folder: PathBuf,
}

impl Gunicorn {
    fn start(listener: &TcpListener, packages: &Path) -> Self {
        let folder = std::env::temp_dir().join(format!("campanile-gunicorn-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let metrics = free_address();
        rustix::io::fcntl_setfd(listener, rustix::io::FdFlags::empty()).unwrap();
        let child = Command::new("python3")
            .args(["-m", "gunicorn", "--config", CONFIG, "--chdir", FOLDER])
            .args([
                "--workers=1",
                "--threads=2",
                "--worker-connections=4",
                "--graceful-timeout=1",
            ])
            .args([
                format!("--backlog={LIMIT}"),
                format!("--bind=fd://{}", listener.as_raw_fd()),
            ])
            .arg("slow_app:app")
            .env("PYTHONPATH", packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("GUNICORN_METRICS_UPDATE_SECONDS", "1")
            .env("PROMETHEUS_MULTIPROC_DIR", &folder)
            .env("PROMETHEUS_METRICS_EXPORT_PORT", metrics.port().to_string())
            .env("RELEASE", folder.join("release"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        rustix::io::fcntl_setfd(listener, rustix::io::FdFlags::CLOEXEC).unwrap();
        let gunicorn = Self {
            child,
            metrics,
            folder,
        };
        let worker = "gunicorn_max_worker_threads{";
        wait_for("gunicorn to be up", || {
            gunicorn.text().is_some_and(|text| text.contains(worker))
        });
        gunicorn
    }

    fn text(&self) -> Option<String> {
        let mut connection = TcpStream::connect(self.metrics).ok()?;
        connection.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        connection.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Returns the lines of the backlog gauge; all but one of them are stale.
    fn pending(&self) -> Vec<String> {
        pending(&self.text().unwrap())
    }
}

impl Drop for Gunicorn {
    fn drop(&mut self) {
        let _ = fs::write(self.folder.join("release"), "");
        // QUIT also ends the worker, KILL would orphan it.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn pending(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .filter(|line| line.starts_with("gunicorn_pending_connections{"));
    lines.map(str::to_owned).collect()
}

fn wait_for(awaited: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !check() {
        assert!(
            Instant::now() < deadline,
            "timed out after {TIMEOUT:?} waiting for {awaited}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn wait_for_queue(expected: u32, monitor: &mut BacklogMonitor, backlog: &Backlog) {
    wait_for(&format!("a queue of {expected} in {backlog:?}"), || {
        monitor.sample();
        backlog.pending() == expected
    });
}

fn request(address: SocketAddr) -> TcpStream {
    let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    client.set_nonblocking(true).unwrap();
    let _ = client.connect(&address.into());
    let mut client = TcpStream::from(client);
    // A client that found the queue full is not connected yet and cannot send.
    let _ = client.write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    client
}

#[test]
fn backlog_equals_that_of_gunicorns_monitor_thread() {
    let packages = match external_checkers::install(
        Path::new(env!("CARGO_TARGET_TMPDIR")),
        "gunicorn-23.0.0",
        &PACKAGES,
    ) {
        Ok(packages) => packages,
        Err(why) => return external_checkers::skip(&why),
    };
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(LIMIT as i32).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();

    let cells = CellRecorder::new();
    let recorder: &'static _ = Box::leak(Box::new(Profile::gunicorn().over(cells.clone())));
    let mut monitor = BacklogMonitor::new().with_recorder(recorder);
    let backlog = monitor.watch(&listener).unwrap();
    let gunicorn = Gunicorn::start(&listener, &packages);

    println!("clients   kernel   gunicorn                                          campanile");
    let mut clients = Vec::new();
    for (count, expected) in [(0, 0), (4, 0), (9, 5), (12, 8), (13, 9), (17, 9)] {
        clients.resize_with(count, || request(address));
        wait_for_queue(expected, &mut monitor, &backlog);
        let series = format!("gunicorn_pending_connections{{listener=\"http://{address}\"}} ");
        // gunicorn samples once a second.
        wait_for("the sample of gunicorn", || {
            gunicorn.pending().contains(&format!("{series}{expected}.0"))
        });
        monitor.sample();
        let ours = pending(&cells.render(Format::Prometheus));
        println!(
            "{count:>7}   {:>6}   {:?}   {ours:?}",
            backlog.pending(),
            gunicorn.pending()
        );
        assert_eq!(
            ours,
            [format!("{series}{expected}")],
            "one series, and no stale one"
        );
    }
    // The test does not wait for gunicorn to empty the queue, because this version sometimes fails to.
}
