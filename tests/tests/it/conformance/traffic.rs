//! The scripted traffic before metrics are compared.

use campanile_tests::{
    client::{Protocol, TestRequest, connect, metrics_text, read_head},
    process::{Process, wait_until},
};

use super::{call::call, hold_request, refused_address};

/// Sends requests with every outcome.
pub(super) fn traffic(front: &Process, back: &Process) {
    completed(front);
    abandoned(front);
    outgoing(front, back);
}

/// Sends requests that complete, one after the other.
pub(super) fn completed(front: &Process) {
    let to = front.address();
    for protocol in Protocol::ALL {
        let _ = TestRequest::get("/fast").send_over(protocol, to);
        let _ = TestRequest::new("POST", "/echo")
            .body("hello")
            .send_over(protocol, to);
    }
    let _ = TestRequest::get("/stream?n=1").send(to);
    let _ = TestRequest::get("/status/404/some.view").send(to);
    let _ = TestRequest::get("/status/503").send(to);
    let _ = TestRequest::get("/boom").send(to);
    let _ = TestRequest::get("/nowhere").send(to);
    let _ = TestRequest::new("PURGE", "/any/thing").send(to);
    let _ = TestRequest::get("/fast").header("x-request-id", "a,b").send(to);
    let _ = TestRequest::get("/fast")
        .header("x-request-deadline", "soon")
        .send(to);
    let _ = TestRequest::get("/sleep/600")
        .header("x-request-deadline", "2001-02-03T04:05:06Z")
        .send(to);
}

/// Sends requests whose clients leave, and one that is shed; waits for each in the metrics.
fn abandoned(front: &Process) {
    let to = front.address();
    let wait_for = |what: &str| {
        wait_until(
            || metrics_text(front.admin()).contains(what),
            || format!("no {what} in the metrics"),
        );
    };
    // Dropped before the response; it holds the only permit, so that another request is shed.
    let busy = hold_request(front);
    assert_eq!(TestRequest::get("/fast").send(to).status(), 503);
    drop(busy);
    wait_for("outcome=\"cancelled\"} 1\n");
    // Dropped in the body.
    let mut reader = connect(to).expect("the service listens");
    reader
        .write_all(b"GET /stream?n=3000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("the connection is open");
    read_head(&mut *reader);
    drop(reader);
    wait_for("outcome=\"aborted\"} 1\n");
}

/// Makes outgoing calls with every outcome.
pub(super) fn outgoing(front: &Process, back: &Process) {
    let to = front.address();
    let url = |path: &str| format!("http://{}{path}", back.address());
    call(to, &url("/echo"), "");
    call(to, &url("/echo"), "&method=POST&body=x&api=post&hostname=stock");
    call(to, &url("/status/404/gone.view"), "");
    call(to, &url("/status/503/busy.view"), "");
    call(to, &url("/fast"), "&timeout=0");
    call(to, &format!("http://{}/", refused_address()), "");
}
