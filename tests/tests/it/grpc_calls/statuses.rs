//! The status label of a call that fails is the code that tonic's caller sees, and where tonic differs from gRPC's documents,
//! the code of the documents.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use campanile_tests::{recorder::TestRecorder, wait::within};
use h2::{Reason, server::SendResponse};
use http::{HeaderMap, HeaderValue, Response};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tonic::{Code, transport::Endpoint};
use tower::{Layer, service_fn};

use super::service::{Time, boxed, call, client_layers, serve_call, server_layers, start};

/// What the server does with a call.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Listens no longer.
    Refuses,
    /// Accepts, and closes before the handshake.
    ClosesAtOnce,
    /// Responds with something else than HTTP/2.
    SpeaksHttp1,
    ResetsBeforeHead(Reason),
    ResetsInBody(Reason),
    GoesAway(Reason),
    ClosesBeforeHead,
    ClosesInBody,
    Responds(u16, &'static str),
    /// 200 with the content type of gRPC and one message, without trailers.
    Truncates,
    StatusInHead(u8),
    StatusInTrailers(u8),
    /// A message that is larger than the client accepts.
    Oversized,
    Hangs,
}

/// The prefix and the text of a gRPC message.
const MESSAGE: &[u8] = b"\0\0\0\0\x02ok";

fn grpc_head(status: u16) -> http::response::Builder {
    Response::builder()
        .status(status)
        .header("content-type", "application/grpc")
}

async fn fail(fault: Fault, mut respond: SendResponse<Bytes>) {
    let status = |code: u8| {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", HeaderValue::from(u16::from(code)));
        headers
    };
    match fault {
        Fault::ResetsBeforeHead(reason) => respond.send_reset(reason),
        Fault::ResetsInBody(reason) => {
            let mut body = respond
                .send_response(grpc_head(200).body(()).unwrap(), false)
                .unwrap();
            body.send_data(Bytes::from_static(MESSAGE), false).unwrap();
            // The message is on its way first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            body.send_reset(reason);
        }
        Fault::ClosesInBody => {
            let mut body = respond
                .send_response(grpc_head(200).body(()).unwrap(), false)
                .unwrap();
            body.send_data(Bytes::from_static(MESSAGE), false).unwrap();
            std::future::pending().await
        }
        Fault::Responds(status, text) => {
            let response = Response::builder()
                .status(status)
                .header("content-type", "text/html");
            let mut body = respond
                .send_response(response.body(()).unwrap(), text.is_empty())
                .unwrap();
            if !text.is_empty() {
                body.send_data(Bytes::from_static(text.as_bytes()), true).unwrap();
            }
        }
        Fault::Truncates => {
            let mut body = respond
                .send_response(grpc_head(200).body(()).unwrap(), false)
                .unwrap();
            body.send_data(Bytes::from_static(MESSAGE), true).unwrap();
        }
        Fault::StatusInHead(code) => {
            let mut head = grpc_head(200).body(()).unwrap();
            head.headers_mut().extend(status(code));
            respond.send_response(head, true).unwrap();
        }
        Fault::StatusInTrailers(code) => {
            let mut body = respond
                .send_response(grpc_head(200).body(()).unwrap(), false)
                .unwrap();
            body.send_data(Bytes::from_static(MESSAGE), false).unwrap();
            body.send_trailers(status(code)).unwrap();
        }
        Fault::Oversized => {
            let mut body = respond
                .send_response(grpc_head(200).body(()).unwrap(), false)
                .unwrap();
            // 16 MiB, above the default of 4.
            body.send_data(Bytes::from_static(b"\0\x01\0\0\0"), false)
                .unwrap();
            std::future::pending().await
        }
        _ => std::future::pending().await,
    }
}

async fn serve(fault: Fault, mut stream: TcpStream) {
    match fault {
        Fault::ClosesAtOnce => return,
        Fault::SpeaksHttp1 => {
            let _ = stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                .await;
            return;
        }
        _ => {}
    }
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_request, respond))) = connection.accept().await {
        match fault {
            Fault::GoesAway(reason) => connection.abrupt_shutdown(reason),
            Fault::ClosesBeforeHead => return,
            Fault::ClosesInBody => {
                let failing = tokio::spawn(fail(fault, respond));
                let driven = tokio::time::timeout(Duration::from_millis(100), connection.accept());
                let _ = driven.await;
                failing.abort();
                return;
            }
            _ => drop(tokio::spawn(fail(fault, respond))),
        }
    }
}

async fn faulty_server(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    if !matches!(fault, Fault::Refuses) {
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(fault, stream));
            }
        });
    }
    address
}

/// Returns the name of a code as a label, from tonic's own name.
fn label(code: Code) -> String {
    let name = format!("{code:?}");
    let mut label = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            label.push('_');
        }
        label.push(letter.to_ascii_uppercase());
    }
    label
}

/// Calls a faulty server. Returns the code that tonic reports, and the label.
async fn codes(fault: Fault) -> (String, String) {
    let recorder = TestRecorder::leak();
    let address = faulty_server(fault).await;
    let channel = Endpoint::try_from(format!("http://{address}"))
        .unwrap()
        .connect_lazy();
    let client = client_layers(recorder).layer(channel);
    let time = matches!(fault, Fault::Hangs).then_some(Time::Call(Duration::from_millis(100)));
    let (code, _) = within(format!("{fault:?}"), call(client, "/pkg.Stock/Get", time)).await;
    // The dropped body ends the call.
    recorder.wait_for_total("rpc_client_requests_total", 1.0).await;
    let labels = recorder.by_label("rpc_client_requests_total", "rpc_response_status_code");
    (label(code), labels.into_keys().next().unwrap())
}

const REASONS: [Reason; 14] = [
    Reason::NO_ERROR,
    Reason::PROTOCOL_ERROR,
    Reason::INTERNAL_ERROR,
    Reason::FLOW_CONTROL_ERROR,
    Reason::SETTINGS_TIMEOUT,
    Reason::STREAM_CLOSED,
    Reason::FRAME_SIZE_ERROR,
    Reason::REFUSED_STREAM,
    Reason::CANCEL,
    Reason::COMPRESSION_ERROR,
    Reason::CONNECT_ERROR,
    Reason::ENHANCE_YOUR_CALM,
    Reason::INADEQUATE_SECURITY,
    Reason::HTTP_1_1_REQUIRED,
];

#[tokio::test]
async fn client_label_is_the_code_that_tonics_caller_sees() {
    let statuses = [400, 401, 403, 404, 429, 500, 502, 503, 504].map(|status| Fault::Responds(status, ""));
    let mut faults = vec![
        Fault::Refuses,
        Fault::Truncates,
        Fault::Hangs,
        Fault::Responds(200, ""),
    ];
    faults.extend(statuses);
    faults.extend(REASONS.map(Fault::ResetsBeforeHead));
    faults.extend(REASONS.map(Fault::ResetsInBody));
    faults.extend((0..=17).map(Fault::StatusInHead));
    faults.extend((0..=17).map(Fault::StatusInTrailers));
    let mut differences = Vec::new();
    for fault in faults {
        let (tonic, label) = codes(fault).await;
        if tonic != label {
            differences.push(format!("{fault:?}: tonic {tonic}, label {label}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn client_label_follows_the_protocol_where_tonic_does_not() {
    let mut differences = Vec::new();
    for (fault, expected_tonic, expected_label) in [
        // A connection that breaks or goes away: UNAVAILABLE, by statuscodes.md and PROTOCOL-HTTP2.md.
        (Fault::ClosesAtOnce, "CANCELLED", "UNAVAILABLE"),
        (Fault::SpeaksHttp1, "CANCELLED", "UNAVAILABLE"),
        (Fault::ClosesBeforeHead, "UNKNOWN", "UNAVAILABLE"),
        (Fault::ClosesInBody, "UNKNOWN", "UNAVAILABLE"),
        (Fault::GoesAway(Reason::NO_ERROR), "UNKNOWN", "UNAVAILABLE"),
        (Fault::GoesAway(Reason::INTERNAL_ERROR), "UNKNOWN", "UNAVAILABLE"),
        (
            Fault::GoesAway(Reason::ENHANCE_YOUR_CALM),
            "UNKNOWN",
            "UNAVAILABLE",
        ),
        // tonic decodes the page as messages before it looks at the status.
        (Fault::Responds(503, "<html>"), "INTERNAL", "UNAVAILABLE"),
        (Fault::Responds(404, "<html>"), "INTERNAL", "UNIMPLEMENTED"),
        // Found by the caller's decoder, above the layer, which drops the body.
        (Fault::Oversized, "OUT_OF_RANGE", "CANCELLED"),
    ] {
        let found = codes(fault).await;
        if found != (expected_tonic.to_owned(), expected_label.to_owned()) {
            differences.push(format!("{fault:?}: tonic {}, label {}", found.0, found.1));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test]
async fn call_that_its_caller_drops_is_cancelled_on_both_sides() {
    let (server, client) = (TestRecorder::leak(), TestRecorder::leak());
    let address = start(boxed(server_layers(server).layer(service_fn(serve_call)))).await;
    let channel = Endpoint::try_from(format!("http://{address}"))
        .unwrap()
        .connect_lazy();
    let layered = client_layers(client).layer(channel);
    // Not a bidirectional one: hyper's client resets a stream with a response head only once its request body ends.
    for path in ["/pkg.Slow/ServerStream", "/pkg.Slow/ClientStream"] {
        let dropped = tokio::time::timeout(Duration::from_millis(100), call(layered.clone(), path, None));
        dropped.await.unwrap_err();
    }
    for (recorder, family) in [
        (client, "rpc_client_requests_total"),
        (server, "rpc_server_requests_total"),
    ] {
        recorder.wait_for_total(family, 2.0).await;
        let labels = recorder.by_label(family, "rpc_response_status_code");
        assert_eq!(labels.get("CANCELLED"), Some(&2.0), "{labels:?}");
    }
    let outcomes = server.by_label("http_server_requests_total", "outcome");
    // The server stream had its request; the upload of the other one was incomplete.
    assert_eq!(
        (outcomes.get("aborted"), outcomes.get("cancelled")),
        (Some(&1.0), Some(&1.0)),
        "{outcomes:?}"
    );
}
