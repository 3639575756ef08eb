//! What is asked of the service before its metrics are looked at.

use campanile_tests::{
    process::{Process, wait_until},
    wire::{Ask, Protocol, connect, read_head},
};

use super::{call::call, nobody, occupy};

/// Something of everything that can happen.
pub(super) fn traffic(front: &Process, back: &Process) {
    answered(front);
    abandoned(front);
    outgoing(front, back);
}

/// Requests that are answered, one after the other.
pub(super) fn answered(front: &Process) {
    let to = front.address();
    for protocol in Protocol::ALL {
        let _ = Ask::get("/fast").ask(protocol, to);
        let _ = Ask::new("POST", "/echo").body("hello").ask(protocol, to);
    }
    let _ = Ask::get("/stream?n=1").of(to);
    let _ = Ask::get("/status/404/some.view").of(to);
    let _ = Ask::get("/status/503").of(to);
    let _ = Ask::get("/boom").of(to);
    let _ = Ask::get("/nowhere").of(to);
    let _ = Ask::new("PURGE", "/any/thing").of(to);
    let _ = Ask::get("/fast").field("x-request-id", "a,b").of(to);
    let _ = Ask::get("/fast").field("x-request-deadline", "soon").of(to);
    let _ = Ask::get("/sleep/600")
        .field("x-request-deadline", "2001-02-03T04:05:06Z")
        .of(to);
}

/// Requests whose clients leave, and one that is shed meanwhile; seen by the text of the metrics.
fn abandoned(front: &Process) {
    let to = front.address();
    let seen = |what: &str| {
        wait_until(
            || Ask::get("/metrics").of(front.admin()).text().contains(what),
            || format!("nobody saw {what}"),
        );
    };
    // Dropped before the head, while it holds the only slot: another one is shed.
    let busy = occupy(front);
    assert_eq!(Ask::get("/fast").of(to).status(), 503);
    drop(busy);
    seen("outcome=\"cancelled\"} 1\n");
    // Dropped in the body.
    let mut reader = connect(to).expect("the service listens");
    reader
        .write_all(b"GET /stream?n=3000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("the connection lives");
    read_head(&mut *reader);
    drop(reader);
    seen("outcome=\"aborted\"} 1\n");
}

/// Calls that end in every way.
pub(super) fn outgoing(front: &Process, back: &Process) {
    let to = front.address();
    let url = |path: &str| format!("http://{}{path}", back.address());
    call(to, &url("/echo"), "");
    call(to, &url("/echo"), "&method=POST&body=x&api=post&hostname=stock");
    call(to, &url("/status/404/gone.view"), "");
    call(to, &url("/status/503/busy.view"), "");
    call(to, &url("/fast"), "&timeout=0");
    call(to, &format!("http://{}/", nobody()), "");
}
