//! Daemons that only listen, and a recorder with its sending thread.

use std::{
    net::UdpSocket,
    os::unix::net::UnixDatagram,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use campanile_recorder::statsd::{Dsn, LineSender, SendStats, Statsd, StatsdRecorder, Stop};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};

/// A generous time limit for tests that would hang.
pub(crate) const LONG: Duration = Duration::from_secs(10);

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

/// A UDP daemon.
pub(crate) struct Daemon {
    socket: UdpSocket,
}

impl Daemon {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback port is free");
        socket.set_read_timeout(Some(LONG)).expect("is not zero");
        Self { socket }
    }

    pub(crate) fn address(&self) -> String {
        self.socket.local_addr().expect("is bound").to_string()
    }

    /// A configuration with the prefix `p`.
    pub(crate) fn statsd(&self) -> Statsd {
        Statsd::new(Dsn::udp(&self.address(), "p").expect("the address is valid"))
    }

    /// Waits for a datagram.
    pub(crate) fn datagram(&self) -> String {
        let mut datagram = vec![0; 65_536];
        let length = self
            .socket
            .recv(&mut datagram)
            .expect("a datagram arrives within 10 s");
        datagram.truncate(length);
        String::from_utf8(datagram).expect("lines are ASCII")
    }

    /// Waits for lines until one of them is `last`.
    pub(crate) fn lines_until(&self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.iter().any(|line| line == last) {
            lines.extend(self.datagram().split('\n').map(str::to_owned));
        }
        lines
    }

    /// Returns the datagrams that have arrived already.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.socket.set_nonblocking(true).expect("is a socket");
        let mut datagram = [0; 65_536];
        std::iter::from_fn(|| {
            let length = self.socket.recv(&mut datagram).ok()?;
            Some(String::from_utf8_lossy(&datagram[..length]).into_owned())
        })
        .collect()
    }
}

/// A recorder and the thread that sends its lines.
pub(crate) struct Running {
    pub(crate) recorder: StatsdRecorder,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(statsd: Statsd) -> Self {
        let (recorder, sender) = statsd.recorder().expect("a socket can be opened");
        Self::send(recorder, sender)
    }

    pub(crate) fn send(recorder: StatsdRecorder, sender: LineSender) -> Self {
        let stop = Stop::new();
        let thread = thread::spawn({
            let stop = stop.clone();
            move || sender.run_blocking(&stop)
        });
        Self {
            recorder,
            stop,
            thread: Some(thread),
        }
    }

    /// Stops, and waits until the queued lines are sent.
    pub(crate) fn end(mut self) -> SendStats {
        self.stop.stop();
        let thread = self.thread.take().expect("is taken once");
        within_long("the sender ends", || thread.is_finished());
        thread.join().expect("the sender does not panic");
        self.recorder.stats()
    }
}

/// The socket of a unix daemon, removed on drop.
pub(crate) struct UnixDaemon {
    pub(crate) socket: UnixDatagram,
    pub(crate) path: PathBuf,
}

impl UnixDaemon {
    pub(crate) fn new() -> Self {
        let path = unix_path();
        let socket = UnixDatagram::bind(&path).expect("the path is free");
        socket.set_read_timeout(Some(LONG)).expect("is not zero");
        Self { socket, path }
    }
}

impl Drop for UnixDaemon {
    fn drop(&mut self) {
        // A test may have removed it.
        let _ = std::fs::remove_file(&self.path);
    }
}

pub(crate) fn unix_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("campanile-statsd-{}-{number}", std::process::id()))
}

pub(crate) fn within_long(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < LONG, "waited 10 s until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn key(name: &str, labels: &[(&str, &str)]) -> Key {
    let labels: Vec<_> = labels
        .iter()
        .map(|(key, value)| Label::new((*key).to_owned(), (*value).to_owned()))
        .collect();
    Key::from_parts(name.to_owned(), labels)
}

pub(crate) fn counter(recorder: &dyn Recorder, name: &str, labels: &[(&str, &str)]) -> Counter {
    recorder.register_counter(&key(name, labels), &METADATA)
}

pub(crate) fn gauge(recorder: &dyn Recorder, name: &str, labels: &[(&str, &str)]) -> Gauge {
    recorder.register_gauge(&key(name, labels), &METADATA)
}

pub(crate) fn histogram(recorder: &dyn Recorder, name: &str, labels: &[(&str, &str)]) -> Histogram {
    recorder.register_histogram(&key(name, labels), &METADATA)
}
