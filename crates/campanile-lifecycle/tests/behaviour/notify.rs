//! Messages to a service manager, over a real socket.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use campanile_lifecycle::{Lifecycle, Notifier, ShutdownConfig};
use rustix::process::Signal;

use crate::child_process::Service;
use crate::support::within;

/// The service manager's socket.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("campanile-notify-{}-{number}", process::id());
        let path = std::env::temp_dir().join(name);
        let socket = UnixDatagram::bind(&path).expect("the path is unique");
        socket
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a socket has a read timeout");
        Self { socket, path }
    }

    fn next(&self) -> String {
        receive(&self.socket)
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn receive(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 1024];
    let length = socket.recv(&mut buffer).expect("a message within 30 seconds");
    String::from_utf8(buffer[..length].to_vec()).expect("a message is text")
}

fn extension(message: &str) -> Duration {
    let micros = message.strip_prefix("STOPPING=1\nEXTEND_TIMEOUT_USEC=");
    let micros = micros.unwrap_or_else(|| panic!("no extension in `{message}`"));
    Duration::from_micros(micros.parse().expect("microseconds are a number"))
}

#[tokio::test(start_paused = true)]
async fn manager_receives_ready_stopping_and_timeout_extensions() {
    let manager = Manager::new();
    let config = ShutdownConfig::new()
        .with_drain_time(Duration::from_secs(3))
        .with_stop_timeout(Duration::from_secs(7));
    let lifecycle = Lifecycle::new(config).unwrap();
    let lifecycle = lifecycle.with_notifier(Notifier::new(&manager.path).unwrap());
    let handle = lifecycle.handle();
    let latch = lifecycle.latch("start");
    let guard = handle.guard();
    let running = tokio::spawn(lifecycle.run());
    tokio::time::sleep(Duration::from_secs(1)).await;
    manager.socket.set_nonblocking(true).unwrap();
    let silence = manager.socket.recv(&mut [0; 64]).unwrap_err();
    assert_eq!(
        silence.kind(),
        io::ErrorKind::WouldBlock,
        "ready before the latch"
    );
    manager.socket.set_nonblocking(false).unwrap();

    latch.release();
    handle.ready().await;
    assert_eq!(manager.next(), "READY=1");
    handle.drain();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    // At once and every second: what is left of both times, and five seconds to exit.
    assert_eq!(extension(&manager.next()).as_secs(), 15);
    assert_eq!(extension(&manager.next()).as_secs_f64().round(), 14.0);
    assert_eq!(extension(&manager.next()).as_secs_f64().round(), 13.0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(guard);
    within("end", running).await.unwrap();
    // No further extension once it has stopped.
    let last = extension(&manager.next());
    assert!(last <= Duration::from_secs(12), "{last:?}");
}

#[test]
fn process_finds_the_manager_in_its_environment_and_pings_the_watchdog() {
    let manager = Manager::new();
    let path = manager.path.to_str().unwrap();
    let started = Instant::now();
    let service = Service::start("idle", &[("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "200000")]);
    let first = manager.next();
    let mut pings = usize::from(first == "WATCHDOG=1");
    let mut ready = usize::from(first == "READY=1");
    while pings < 5 {
        match manager.next().as_str() {
            "WATCHDOG=1" => pings += 1,
            "READY=1" => ready += 1,
            other => panic!("received {other}"),
        }
    }
    assert_eq!(ready, 1);
    // The first comes at once, four follow at half of the timeout each.
    assert!(
        started.elapsed() >= Duration::from_millis(390),
        "{:?}",
        started.elapsed()
    );
    service.signal(Signal::TERM);
    service.signal(Signal::INT);
    service.expect("ended: SIGTERM");
}

#[test]
fn watchdog_of_another_process_is_not_pinged() {
    let manager = Manager::new();
    let path = manager.path.to_str().unwrap();
    let service = Service::start(
        "quick",
        &[
            ("NOTIFY_SOCKET", path),
            ("WATCHDOG_USEC", "2000"),
            ("WATCHDOG_PID", "1"),
        ],
    );
    assert_eq!(manager.next(), "READY=1");
    service.expect("ready");
    service.signal(Signal::TERM);
    assert!(manager.next().starts_with("STOPPING=1"));
    service.expect("ended: SIGTERM");
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn abstract_names_work_and_other_addresses_are_errors() {
    let name = format!("campanile-notify-abstract-{}", process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let notifier = Notifier::new(format!("@{name}")).unwrap();
    notifier.notify("STATUS=warm").unwrap();
    assert_eq!(receive(&socket), "STATUS=warm");

    for address in ["vsock:2:1234", "notify", ""] {
        let error = Notifier::new(address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn unsent_message_is_repeated() {
    let manager = Manager::new();
    let (path, moved) = (manager.path.clone(), manager.path.with_extension("moved"));
    fs::rename(&path, &moved).unwrap();
    let lifecycle = Lifecycle::new(ShutdownConfig::new()).unwrap();
    let lifecycle = lifecycle.with_notifier(Notifier::new(&path).unwrap());
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run());
    handle.ready().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    fs::rename(&moved, &path).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(manager.next(), "READY=1");
    handle.cut();
    running.await.unwrap();
}
