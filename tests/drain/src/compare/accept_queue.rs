//! The length of an accept queue, from `/proc/net/tcp`.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::SocketAddr,
};

const LISTENING: &str = "0A";

/// Returns the number of connections in the accept queue; zero without a listener.
pub(super) fn waiting(address: SocketAddr) -> u64 {
    let Ok(table) = File::open("/proc/net/tcp") else {
        return 0;
    };
    // Listeners are listed first, so that thousands of connections are not read.
    let mut lines = BufReader::new(table).lines().map_while(Result::ok).skip(1);
    let port = format!(":{:04X}", address.port());
    lines
        .find_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next()?.ends_with(&port);
            let state = fields.nth(1)? == LISTENING;
            let queues = fields.next()?;
            let (_, received) = queues.split_once(':')?;
            (local && state).then(|| u64::from_str_radix(received, 16).unwrap_or_default())
        })
        .unwrap_or_default()
}
