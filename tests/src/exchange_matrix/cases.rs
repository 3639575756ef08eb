//! The cases of the matrix.

use campanile_core::Outcome::{Aborted, Cancelled, Completed, Failed, Panicked, Shed, TimedOut};

use super::{
    ClientBehavior::{
        AbortsBeforeResponse, AbortsInBody, GetsNoResponse, HalfCloses, LeavesBeforeResponse, LeavesInBody,
        Reads, ReadsBrokenBody, Upgrades,
    },
    ExchangeCase,
};
use crate::{
    client::{
        Protocol::{Http1, Http2},
        TestRequest,
    },
    server::LayerSetup::{Bare, CatchOutside, Deadline, Full, StackHalfClose, TimeoutInside, TimeoutOutside},
};

/// Returns all cases.
#[must_use]
pub fn all_cases() -> Vec<ExchangeCase> {
    [
        completed(),
        rpc(),
        aborted_by_client(),
        failed(),
        rejected(),
        upgraded(),
    ]
    .concat()
}

fn completed() -> Vec<ExchangeCase> {
    vec![
        ExchangeCase::new("GET", TestRequest::get("/hello"), 200, 5),
        ExchangeCase::new("HEAD", TestRequest::get("/hello").method("HEAD"), 200, 0),
        ExchangeCase::new(
            "HEAD of a stream",
            TestRequest::get("/stream").method("HEAD"),
            200,
            0,
        ),
        ExchangeCase::new(
            "HEAD of a body that never ends",
            TestRequest::get("/stall").method("HEAD"),
            200,
            0,
        ),
        ExchangeCase::new(
            "unknown method",
            TestRequest::get("/hello").method("BREW"),
            200,
            5,
        ),
        ExchangeCase::new("404 without a route", TestRequest::get("/unknown"), 404, 0),
        ExchangeCase::new("204", TestRequest::get("/nothing"), 204, 0),
        ExchangeCase::new("304", TestRequest::get("/unchanged"), 304, 0),
        ExchangeCase::new("exact length", TestRequest::get("/exact"), 200, 1000),
        ExchangeCase::new(
            "length only in the header",
            TestRequest::get("/content-length"),
            200,
            11,
        ),
        ExchangeCase::new("streamed", TestRequest::get("/stream"), 200, 11),
        ExchangeCase::new("trailers", TestRequest::get("/trailers"), 200, 5),
        ExchangeCase::new(
            "upload with a length",
            TestRequest::get("/echo").method("POST").body("12345"),
            200,
            1,
        ),
        ExchangeCase::new(
            "upload without a length",
            TestRequest::get("/echo").method("POST").streamed_body("12345"),
            200,
            1,
        ),
        ExchangeCase::new(
            "upload that the handler does not read",
            TestRequest::get("/hello").method("POST").body("12345"),
            200,
            5,
        ),
    ]
}

fn rpc() -> Vec<ExchangeCase> {
    let call = |name, path: &'static str, bytes, status| {
        let method = path.strip_prefix('/').unwrap_or(path);
        ExchangeCase::new(name, TestRequest::grpc(path), 200, bytes).with_rpc(method, status)
    };
    vec![
        call("gRPC unary", "/pkg.Greeter/Unary", 10, "OK"),
        call("gRPC server stream", "/pkg.Greeter/Stream", 30, "OK"),
        call("gRPC error after a message", "/pkg.Greeter/Late", 10, "ABORTED"),
        call("gRPC without a status", "/pkg.Greeter/Silent", 10, "UNKNOWN"),
        ExchangeCase::new(
            "gRPC trailers only",
            TestRequest::grpc("/pkg.Greeter/Refused"),
            200,
            0,
        )
        .with_rpc("other", "NOT_FOUND"),
        ExchangeCase::new(
            "unknown gRPC method",
            TestRequest::grpc("/pkg.Greeter/None"),
            200,
            0,
        )
        .with_rpc("other", "UNIMPLEMENTED"),
        call(
            "gRPC client leaves in the stream",
            "/pkg.Greeter/Stall",
            10,
            "CANCELLED",
        )
        .with_client(LeavesInBody, Aborted),
        ExchangeCase::new(
            "gRPC client leaves before the response",
            TestRequest::grpc("/pkg.Greeter/Hang"),
            200,
            0,
        )
        .with_client(LeavesBeforeResponse, Cancelled)
        .without_response()
        .with_rpc("other", "CANCELLED"),
        ExchangeCase::new("gRPC shed", TestRequest::grpc("/pkg.Greeter/Unary"), 200, 0)
            .with_layers(Full)
            .with_client(Reads, Shed)
            .with_rpc("other", "RESOURCE_EXHAUSTED"),
        ExchangeCase::new("gRPC timeout", TestRequest::grpc("/pkg.Greeter/Hang"), 200, 0)
            .with_layers(Deadline)
            .with_client(Reads, TimedOut)
            .with_rpc("other", "DEADLINE_EXCEEDED"),
        ExchangeCase::new(
            "gRPC deadline passed on arrival",
            TestRequest::grpc("/pkg.Greeter/Unary").header("grpc-timeout", "0n"),
            200,
            0,
        )
        .with_client(Reads, TimedOut)
        .with_rpc("other", "DEADLINE_EXCEEDED"),
    ]
}

fn aborted_by_client() -> Vec<ExchangeCase> {
    let hang = |name| ExchangeCase::new(name, TestRequest::get("/hang"), 0, 0).without_response();
    let stall = |name| ExchangeCase::new(name, TestRequest::get("/stall"), 200, 5);
    let wait = |name| ExchangeCase::new(name, TestRequest::get("/wait"), 200, 5);
    vec![
        hang("client leaves before the response").with_client(LeavesBeforeResponse, Cancelled),
        hang("client aborts before the response").with_client(AbortsBeforeResponse, Cancelled),
        stall("client leaves in the body").with_client(LeavesInBody, Aborted),
        stall("client aborts in the body").with_client(AbortsInBody, Aborted),
        ExchangeCase::new(
            "client leaves in an endless body",
            TestRequest::get("/flood"),
            200,
            0,
        )
        .with_client(LeavesInBody, Aborted)
        .with_any_body_size(),
        ExchangeCase::new(
            "client aborts in an endless body",
            TestRequest::get("/flood"),
            200,
            0,
        )
        .with_client(AbortsInBody, Aborted)
        .with_any_body_size(),
        hang("half-closed client counts as gone")
            .with_client(HalfCloses, Cancelled)
            .only_over(Http1),
        wait("half-closed client gets a response if the server allows half-close")
            .with_layers(StackHalfClose)
            .with_client(HalfCloses, Completed)
            .only_over(Http1),
        wait("half-closed stream")
            .with_client(HalfCloses, Completed)
            .only_over(Http2),
    ]
}

fn failed() -> Vec<ExchangeCase> {
    let panicking = |name| {
        ExchangeCase::new(name, TestRequest::get("/panic"), 500, 0)
            .with_client(GetsNoResponse, Panicked)
            .without_response()
    };
    let panicking_in_call = |name| {
        ExchangeCase::new(name, TestRequest::get("/panic-in-call"), 500, 0)
            .with_client(GetsNoResponse, Panicked)
            .without_response()
    };
    vec![
        ExchangeCase::new("panic caught inside", TestRequest::get("/panic"), 500, 0)
            .with_client(Reads, Panicked),
        ExchangeCase::new(
            "panic in `call` caught inside",
            TestRequest::get("/panic-in-call"),
            500,
            0,
        )
        .with_client(Reads, Panicked),
        panicking("panic caught outside").with_layers(CatchOutside),
        panicking_in_call("panic in `call` caught outside").with_layers(CatchOutside),
        panicking("uncaught panic").with_layers(Bare),
        panicking_in_call("uncaught panic in `call`").with_layers(Bare),
        ExchangeCase::new("panic of the body", TestRequest::get("/body-panic"), 200, 5)
            .with_client(ReadsBrokenBody, Panicked),
        ExchangeCase::new("error of the body", TestRequest::get("/body-error"), 200, 5)
            .with_client(ReadsBrokenBody, Failed),
        ExchangeCase::new("error of the service", TestRequest::get("/error"), 0, 0)
            .with_client(GetsNoResponse, Failed)
            .without_response(),
        ExchangeCase::new("error of the service, bare", TestRequest::get("/error"), 0, 0)
            .with_layers(Bare)
            .with_client(GetsNoResponse, Failed)
            .without_response(),
    ]
}

fn rejected() -> Vec<ExchangeCase> {
    vec![
        ExchangeCase::new(
            "timeout inside responds with 504",
            TestRequest::get("/hang"),
            504,
            0,
        )
        .with_layers(Deadline)
        .with_client(Reads, TimedOut),
        ExchangeCase::new("timeout inside returns an error", TestRequest::get("/hang"), 0, 0)
            .with_layers(TimeoutInside)
            .with_client(GetsNoResponse, Failed)
            .without_response(),
        ExchangeCase::new("timeout outside", TestRequest::get("/hang"), 0, 0)
            .with_layers(TimeoutOutside)
            .with_client(GetsNoResponse, Cancelled)
            .without_response(),
        ExchangeCase::new(
            "deadline passed on arrival",
            TestRequest::get("/hello").header("x-request-deadline", "2020-01-01T00:00:00Z"),
            504,
            0,
        )
        .with_client(Reads, TimedOut),
        ExchangeCase::new("shed", TestRequest::get("/hello"), 503, 0)
            .with_layers(Full)
            .with_client(Reads, Shed),
        ExchangeCase::new(
            "shed with an unread body",
            TestRequest::get("/echo").method("POST").body("12345"),
            503,
            0,
        )
        .with_layers(Full)
        .with_client(Reads, Shed),
        ExchangeCase::new("shed HEAD", TestRequest::get("/hello").method("HEAD"), 503, 0)
            .with_layers(Full)
            .with_client(Reads, Shed),
    ]
}

fn upgraded() -> Vec<ExchangeCase> {
    let websocket = TestRequest::get("/ws")
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    vec![
        ExchangeCase::new("WebSocket", websocket, 101, 0)
            .with_client(Upgrades, Completed)
            .only_over(Http1),
        ExchangeCase::new(
            "extended CONNECT",
            TestRequest::get("/ws").method("CONNECT"),
            200,
            0,
        )
        .with_client(Upgrades, Completed)
        .only_over(Http2),
    ]
}
