//! A statsd daemon that keeps the received datagrams.

use std::{
    net::UdpSocket,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use campanile_tests::process::wait_until;

/// A UDP socket, and the datagrams that it received.
pub(super) struct StatsdDaemon {
    address: String,
    datagrams: Arc<Mutex<Vec<String>>>,
}

impl StatsdDaemon {
    pub(super) fn listen() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("the listener is bound").to_string();
        let datagrams = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&datagrams);
        // The thread ends with the process.
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            }
        });
        Self { address, datagrams }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn datagrams(&self) -> Vec<String> {
        let datagrams = self.datagrams.lock().unwrap_or_else(PoisonError::into_inner);
        datagrams.clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let datagrams = self.datagrams();
        let lines = datagrams.iter().flat_map(|datagram| datagram.lines());
        lines.map(str::to_owned).collect()
    }

    /// Returns the lines after the first `seen`, once one of them begins with `last`.
    pub(super) fn lines_until(&self, seen: usize, last: &str) -> Vec<String> {
        let new = || self.lines().split_off(seen);
        let received = || new().iter().any(|line| line.starts_with(last));
        wait_until(received, || format!("no `{last}` among\n{}", new().join("\n")));
        new()
    }
}

/// Masks the parts that differ between runs: times, and the error code of a name that is not found, which depends on the
/// resolver.
pub(super) fn masked(line: &str) -> String {
    let line = match (line.split_once(':'), line.strip_suffix("|ms")) {
        (Some((name, _)), Some(_)) => format!("{name}:T|ms"),
        _ => line.to_owned(),
    };
    match line.split_once(".EAI_") {
        Some((name, rest)) => format!(
            "{name}.EAI:{}",
            rest.split_once(':').map_or("", |(_, value)| value)
        ),
        None => line,
    }
}
