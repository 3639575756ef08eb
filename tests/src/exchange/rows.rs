//! The table.

use campanile_core::Outcome::{Aborted, Cancelled, Completed, Failed, Panicked, Shed, TimedOut};

use super::{
    Client::{
        CutsBeforeHead, CutsInBody, GetsNothing, HalfCloses, LeavesBeforeHead, LeavesInBody, Reads,
        ReadsBroken, Upgrades,
    },
    Protocol::{H1, H2},
    Row,
};
use crate::{
    client::{Ask, AskBody},
    server::Arrangement::{
        Bare, CatchOutside, Deadline, Full, StackHalfClose, TimeoutInside, TimeoutOutside,
    },
};

const PASSED: &[(&str, &str)] = &[("x-request-deadline", "2020-01-01T00:00:00Z")];
const WEBSOCKET: &[(&str, &str)] = &[("connection", "upgrade"), ("upgrade", "websocket")];
const GRPC_AT_ONCE: &[(&str, &str)] = &[("content-type", "application/grpc"), ("grpc-timeout", "0n")];

/// Returns every way that an exchange can end.
#[must_use]
pub fn rows() -> Vec<Row> {
    [plain(), rpc(), gone(), broken(), refused(), upgraded()].concat()
}

fn plain() -> Vec<Row> {
    vec![
        Row::new("GET", Ask::get("/hello"), 200, 5),
        Row::new("HEAD", Ask::get("/hello").with_method("HEAD"), 200, 0),
        Row::new(
            "HEAD of a stream",
            Ask::get("/stream").with_method("HEAD"),
            200,
            0,
        ),
        Row::new(
            "HEAD of a body that never ends",
            Ask::get("/stall").with_method("HEAD"),
            200,
            0,
        ),
        Row::new("unknown method", Ask::get("/hello").with_method("BREW"), 200, 5),
        Row::new("404 without a route", Ask::get("/unknown"), 404, 0),
        Row::new("204", Ask::get("/nothing"), 204, 0),
        Row::new("304", Ask::get("/unchanged"), 304, 0),
        Row::new("exact length", Ask::get("/exact"), 200, 1000),
        Row::new("length told by the header only", Ask::get("/told"), 200, 11),
        Row::new("streamed", Ask::get("/stream"), 200, 11),
        Row::new("trailers", Ask::get("/trailers"), 200, 5),
        Row::new(
            "upload of told size",
            Ask::get("/echo")
                .with_method("POST")
                .with_body(AskBody::Sized("12345")),
            200,
            1,
        ),
        Row::new(
            "upload of untold size",
            Ask::get("/echo")
                .with_method("POST")
                .with_body(AskBody::Streamed("12345")),
            200,
            1,
        ),
        Row::new(
            "upload that nobody reads",
            Ask::get("/hello")
                .with_method("POST")
                .with_body(AskBody::Sized("12345")),
            200,
            5,
        ),
    ]
}

fn rpc() -> Vec<Row> {
    let call = |name, path: &'static str, bytes, status| {
        let method = path.strip_prefix('/').unwrap_or(path);
        Row::new(name, Ask::grpc(path), 200, bytes).with_rpc(method, status)
    };
    vec![
        call("gRPC unary", "/pkg.Greeter/Unary", 10, "OK"),
        call("gRPC server stream", "/pkg.Greeter/Stream", 30, "OK"),
        call("gRPC error after a message", "/pkg.Greeter/Late", 10, "ABORTED"),
        call("gRPC without a status", "/pkg.Greeter/Silent", 10, "UNKNOWN"),
        call("gRPC trailers only", "/pkg.Greeter/Refused", 0, "NOT_FOUND"),
        Row::new(
            "gRPC method that nobody serves",
            Ask::grpc("/pkg.Greeter/None"),
            200,
            0,
        )
        .with_rpc("other", "UNIMPLEMENTED"),
        call(
            "gRPC client gone in the stream",
            "/pkg.Greeter/Stall",
            10,
            "CANCELLED",
        )
        .but(LeavesInBody, Aborted),
        Row::new(
            "gRPC client gone before the head",
            Ask::grpc("/pkg.Greeter/Hang"),
            200,
            0,
        )
        .but(LeavesBeforeHead, Cancelled)
        .headless()
        .with_rpc("other", "CANCELLED"),
        Row::new("gRPC shed", Ask::grpc("/pkg.Greeter/Unary"), 200, 0)
            .under(Full)
            .but(Reads, Shed)
            .with_rpc("other", "RESOURCE_EXHAUSTED"),
        Row::new("gRPC timeout inside", Ask::grpc("/pkg.Greeter/Hang"), 200, 0)
            .under(Deadline)
            .but(Reads, TimedOut)
            .with_rpc("other", "DEADLINE_EXCEEDED"),
        Row::new(
            "gRPC deadline passed on arrival",
            Ask::grpc("/pkg.Greeter/Unary").with_headers(GRPC_AT_ONCE),
            200,
            0,
        )
        .but(Reads, TimedOut)
        .with_rpc("other", "DEADLINE_EXCEEDED"),
    ]
}

fn gone() -> Vec<Row> {
    let hang = |name| Row::new(name, Ask::get("/hang"), 0, 0).headless();
    let stall = |name| Row::new(name, Ask::get("/stall"), 200, 5);
    let wait = |name| Row::new(name, Ask::get("/wait"), 200, 5);
    vec![
        hang("client gone before the head").but(LeavesBeforeHead, Cancelled),
        hang("connection cut before the head").but(CutsBeforeHead, Cancelled),
        stall("client gone in the body").but(LeavesInBody, Aborted),
        stall("connection cut in the body").but(CutsInBody, Aborted),
        Row::new("client gone in a flood", Ask::get("/flood"), 200, 0)
            .but(LeavesInBody, Aborted)
            .of_any_size(),
        Row::new("connection cut in a flood", Ask::get("/flood"), 200, 0)
            .but(CutsInBody, Aborted)
            .of_any_size(),
        hang("half-closed client is gone to hyper")
            .but(HalfCloses, Cancelled)
            .only(H1),
        wait("half-closed client is answered where the server allows it")
            .under(StackHalfClose)
            .but(HalfCloses, Completed)
            .only(H1),
        wait("stream whose client said all")
            .but(HalfCloses, Completed)
            .only(H2),
    ]
}

fn broken() -> Vec<Row> {
    let boom = |name| {
        Row::new(name, Ask::get("/boom"), 500, 0)
            .but(GetsNothing, Panicked)
            .headless()
    };
    let at_once = |name| {
        Row::new(name, Ask::get("/boom-at-once"), 500, 0)
            .but(GetsNothing, Panicked)
            .headless()
    };
    vec![
        Row::new("panic caught inside", Ask::get("/boom"), 500, 0).but(Reads, Panicked),
        Row::new(
            "panic of the call caught inside",
            Ask::get("/boom-at-once"),
            500,
            0,
        )
        .but(Reads, Panicked),
        boom("panic caught outside").under(CatchOutside),
        at_once("panic of the call caught outside").under(CatchOutside),
        boom("panic caught by nobody").under(Bare),
        at_once("panic of the call caught by nobody").under(Bare),
        Row::new("panic of the body", Ask::get("/body-boom"), 200, 5).but(ReadsBroken, Panicked),
        Row::new("error of the body", Ask::get("/body-error"), 200, 5).but(ReadsBroken, Failed),
        Row::new("error of the service", Ask::get("/error"), 0, 0)
            .but(GetsNothing, Failed)
            .headless(),
        Row::new("error of the service, bare", Ask::get("/error"), 0, 0)
            .under(Bare)
            .but(GetsNothing, Failed)
            .headless(),
    ]
}

fn refused() -> Vec<Row> {
    vec![
        Row::new("timeout inside answers", Ask::get("/hang"), 504, 0)
            .under(Deadline)
            .but(Reads, TimedOut),
        Row::new("timeout inside yields an error", Ask::get("/hang"), 0, 0)
            .under(TimeoutInside)
            .but(GetsNothing, Failed)
            .headless(),
        Row::new("timeout outside", Ask::get("/hang"), 0, 0)
            .under(TimeoutOutside)
            .but(GetsNothing, Cancelled)
            .headless(),
        Row::new(
            "deadline passed on arrival",
            Ask::get("/hello").with_headers(PASSED),
            504,
            0,
        )
        .but(Reads, TimedOut),
        Row::new("shed", Ask::get("/hello"), 503, 0)
            .under(Full)
            .but(Reads, Shed),
        Row::new(
            "shed with an unread body",
            Ask::get("/echo")
                .with_method("POST")
                .with_body(AskBody::Sized("12345")),
            503,
            0,
        )
        .under(Full)
        .but(Reads, Shed),
        Row::new("shed HEAD", Ask::get("/hello").with_method("HEAD"), 503, 0)
            .under(Full)
            .but(Reads, Shed),
    ]
}

fn upgraded() -> Vec<Row> {
    vec![
        Row::new("WebSocket", Ask::get("/ws").with_headers(WEBSOCKET), 101, 0)
            .but(Upgrades, Completed)
            .only(H1),
        Row::new("extended CONNECT", Ask::get("/ws").with_method("CONNECT"), 200, 0)
            .but(Upgrades, Completed)
            .only(H2),
    ]
}
