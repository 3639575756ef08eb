//! Handshakes in progress while the listener closes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use campanile_listen::{Bind, Listener};

use super::isolation::{block_on, in_namespace, serve_all};
use super::wire::{ACK, RST, SERVER, SYN, Wire};
use crate::support::{TIMEOUT, recorder};

/// One-way delay of the client.
const DELAY: Duration = Duration::from_millis(50);

/// Less than the 300 ms for which a listener that closes waits for handshakes in progress.
const IN_TIME: Duration = Duration::from_millis(200);

const FIRST: u16 = 40_001;
const SECOND: u16 = 40_002;
const SEQ: u32 = 1_000;

fn bind(address: &str) -> (Listener, Wire) {
    let listener = Bind::new(address).with_recorder(recorder()).bind().unwrap();
    let port = listener
        .local_address()
        .tcp()
        .as_ref()
        .map(SocketAddr::port)
        .unwrap();
    (listener, Wire::new(port))
}

/// Begins a handshake; returns the acknowledgement number of its last ACK.
fn half_open(wire: &mut Wire) -> u32 {
    wire.send(FIRST, SYN, SEQ, 0, &[]);
    let reply = wire.find(FIRST, TIMEOUT, |segment| segment.flags == SYN | ACK);
    reply.expect("no reply to a SYN").seq.wrapping_add(1)
}

#[test]
fn client_50_ms_away_is_served_and_sees_no_reset() {
    if !in_namespace("kernel::handshake::client_50_ms_away_is_served_and_sees_no_reset") {
        return;
    }
    Wire::set_up();
    for address in [&format!("{SERVER}:0"), "0.0.0.0:0", "[::]:0"] {
        // A machine that was too busy to send the ACK within the listener's window gets another try.
        let in_time = (0..5).any(|_| block_on(client_50_ms_away(address)));
        assert!(
            in_time,
            "five times the ACK was sent after the window of the close"
        );
    }
}

/// Completes a handshake and begins another one while the listener closes. Returns false if the ACK was sent too late.
async fn client_50_ms_away(address: &str) -> bool {
    let (listener, mut wire) = bind(address);
    let ack = half_open(&mut wire);
    let began = Instant::now();
    let closed = tokio::spawn(serve_all(listener.close()));
    tokio::time::sleep(DELAY).await;
    // The filter is attached by now.
    wire.send(SECOND, SYN, SEQ, 0, &[]);
    wire.send(FIRST, ACK, SEQ + 1, ack, &[7]);
    if began.elapsed() > IN_TIME {
        let _ = closed.await;
        return false;
    }
    let reset_or_served = wire.find(FIRST, TIMEOUT, |segment| {
        segment.flags & RST != 0 || !segment.payload.is_empty()
    });
    let reply = reset_or_served.expect("no reply to the request");
    assert_eq!(
        (reply.flags & RST, &reply.payload[..]),
        (0, &[8][..]),
        "at {address}"
    );
    assert_eq!(closed.await.unwrap(), 1);
    let reset = wire.find(FIRST, DELAY, |segment| segment.flags & RST != 0);
    assert!(reset.is_none(), "{reset:?} at {address}");
    assert!(
        wire.captured(SECOND).is_empty(),
        "the filter passed a SYN: {:?}",
        wire.captured(SECOND)
    );
    wire.send(SECOND, SYN, SEQ, 0, &[]);
    let refused = wire
        .find(SECOND, TIMEOUT, |_| true)
        .expect("no reply to a SYN after the close");
    assert_ne!(refused.flags & RST, 0, "the retry is refused");
    true
}

#[test]
fn slow_client_is_reset_without_the_window() {
    if !in_namespace("kernel::handshake::slow_client_is_reset_without_the_window") {
        return;
    }
    Wire::set_up();
    block_on(async {
        let (listener, mut wire) = bind("0.0.0.0:0");
        let ack = half_open(&mut wire);
        let closed = tokio::spawn(serve_all(listener.close().with_window(Duration::ZERO)));
        tokio::time::sleep(DELAY).await;
        wire.send(FIRST, ACK, SEQ + 1, ack, &[7]);
        let reply = wire.find(FIRST, TIMEOUT, |segment| segment.flags & (SYN | ACK) != SYN | ACK);
        assert_ne!(reply.expect("no reply").flags & RST, 0);
        assert_eq!(closed.await.unwrap(), 0);
    });
}

#[test]
fn incomplete_handshake_delays_the_close_by_the_window_at_most() {
    if !in_namespace("kernel::handshake::incomplete_handshake_delays_the_close_by_the_window_at_most") {
        return;
    }
    Wire::set_up();
    block_on(async {
        let (listener, mut wire) = bind("0.0.0.0:0");
        half_open(&mut wire);
        let begun = Instant::now();
        assert_eq!(serve_all(listener.close()).await, 0);
        let took = begun.elapsed();
        // The lower bound shows that the half-open connection was found.
        assert!(
            (Duration::from_millis(290)..Duration::from_secs(2)).contains(&took),
            "it took {took:?}"
        );
        let (listener, _) = bind("0.0.0.0:0");
        let begun = Instant::now();
        assert_eq!(serve_all(listener.close()).await, 0);
        let took = begun.elapsed();
        assert!(
            took < Duration::from_millis(200),
            "without half-open connections it took {took:?}"
        );
    });
}
