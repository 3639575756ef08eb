//! A client that is still shaking hands when the listener closes.

use std::net::SocketAddr;
use std::time::Duration;

use campanile_listen::{Bind, ListenAddress, Listener};

use crate::alone::{block_on, in_namespace, serve_all};
use crate::support::{PATIENCE, recorder};
use crate::wire::{ACK, RST, SERVER, SYN, Wire};

/// How far away the client is.
const DISTANCE: Duration = Duration::from_millis(50);

const FIRST: u16 = 40_001;
const SECOND: u16 = 40_002;
const SEQ: u32 = 1_000;

fn bind(address: &str) -> (Listener, Wire) {
    let address: ListenAddress = address.parse().unwrap();
    let listener = Bind::new(address).with_recorder(recorder()).bind().unwrap();
    let port = listener
        .local_address()
        .tcp()
        .as_ref()
        .map(SocketAddr::port)
        .unwrap();
    (listener, Wire::new(port))
}

/// Begins a handshake; returns what its last ACK has to acknowledge.
fn half_open(wire: &mut Wire) -> u32 {
    wire.send(FIRST, SYN, SEQ, 0, &[]);
    let answer = wire.find(FIRST, PATIENCE, |segment| segment.flags == SYN | ACK);
    answer.expect("no answer to a SYN").seq.wrapping_add(1)
}

#[test]
fn client_50_ms_away_is_served_and_sees_no_reset() {
    if !in_namespace("handshake::client_50_ms_away_is_served_and_sees_no_reset") {
        return;
    }
    Wire::lay();
    for address in [&format!("{SERVER}:0"), "0.0.0.0:0", "[::]:0"] {
        block_on(async {
            let (listener, mut wire) = bind(address);
            let ack = half_open(&mut wire);
            let closed = tokio::spawn(serve_all(listener.close()));
            tokio::time::sleep(DISTANCE).await;
            // By now the filter is there.
            wire.send(SECOND, SYN, SEQ, 0, &[]);
            wire.send(FIRST, ACK, SEQ + 1, ack, &[7]);
            let reset_or_served = wire.find(FIRST, PATIENCE, |segment| {
                segment.flags & RST != 0 || !segment.payload.is_empty()
            });
            let answer = reset_or_served.expect("no answer to the request");
            assert_eq!(
                (answer.flags & RST, &answer.payload[..]),
                (0, &[8][..]),
                "at {address}"
            );
            assert_eq!(closed.await.unwrap(), 1);
            let reset = wire.find(FIRST, DISTANCE, |segment| segment.flags & RST != 0);
            assert!(reset.is_none(), "{reset:?} at {address}");
            assert!(
                wire.seen(SECOND).is_empty(),
                "a SYN that met the filter: {:?}",
                wire.seen(SECOND)
            );
            wire.send(SECOND, SYN, SEQ, 0, &[]);
            let refused = wire
                .find(SECOND, PATIENCE, |_| true)
                .expect("no answer to a SYN after the close");
            assert_ne!(refused.flags & RST, 0, "it is refused when it asks again");
        });
    }
}

#[test]
fn without_the_window_it_is_reset() {
    if !in_namespace("handshake::without_the_window_it_is_reset") {
        return;
    }
    Wire::lay();
    block_on(async {
        let (listener, mut wire) = bind("0.0.0.0:0");
        let ack = half_open(&mut wire);
        let closed = tokio::spawn(serve_all(listener.close().with_window(Duration::ZERO)));
        tokio::time::sleep(DISTANCE).await;
        wire.send(FIRST, ACK, SEQ + 1, ack, &[7]);
        let answer = wire.find(FIRST, PATIENCE, |segment| {
            segment.flags & (SYN | ACK) != SYN | ACK
        });
        assert_ne!(answer.expect("no answer").flags & RST, 0);
        assert_eq!(closed.await.unwrap(), 0);
    });
}

#[test]
fn client_that_never_ends_its_handshake_is_not_waited_for_longer_than_the_window() {
    if !in_namespace(
        "handshake::client_that_never_ends_its_handshake_is_not_waited_for_longer_than_the_window",
    ) {
        return;
    }
    Wire::lay();
    block_on(async {
        let (listener, mut wire) = bind("0.0.0.0:0");
        half_open(&mut wire);
        let begun = std::time::Instant::now();
        assert_eq!(serve_all(listener.close()).await, 0);
        let took = begun.elapsed();
        // The lower bound says that it was seen at all.
        assert!(
            (Duration::from_millis(290)..Duration::from_secs(2)).contains(&took),
            "it took {took:?}"
        );
        let (listener, _) = bind("0.0.0.0:0");
        let begun = std::time::Instant::now();
        assert_eq!(serve_all(listener.close()).await, 0);
        let took = begun.elapsed();
        assert!(
            took < Duration::from_millis(200),
            "with nobody there it took {took:?}"
        );
    });
}
