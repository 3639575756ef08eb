//! Runs the client's side of a case.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::Reason;

use super::{ClientBehavior, ExchangeCase};
use crate::{
    app::{GATE_HEADER, HandlerGate, TestApp},
    client::{Http1, Http2, Protocol, TestRequest, read_body},
    recorder::TestRecorder,
    server::LayerSetup,
};

/// An open connection.
#[derive(Debug)]
pub enum ClientConnection {
    /// HTTP/1.1.
    Http1(Http1),
    /// HTTP/2.
    Http2(Http2),
}

impl ClientConnection {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// I/O errors, and a failed handshake.
    pub async fn open(address: SocketAddr, protocol: Protocol) -> std::io::Result<Self> {
        Ok(match protocol {
            Protocol::Http1 => Self::Http1(Http1::connect(address).await?),
            Protocol::Http2 => Self::Http2(Http2::connect(address).await?),
        })
    }
}

/// The client's side of an exchange after its end.
#[derive(Debug)]
pub struct ClientResult {
    /// The connection, if it can be used again.
    pub connection: Option<ClientConnection>,
    /// The status, if there was a response.
    pub status: Option<u16>,
}

/// Runs one exchange of a case. While an upgraded connection is open, its gauge in `upgraded` must be one.
///
/// # Errors
///
/// A description, if the client does not see what the case expects.
pub async fn run_case(
    case: &ExchangeCase,
    connection: ClientConnection,
    app: &TestApp,
    upgraded: Option<&TestRecorder>,
) -> Result<ClientResult, String> {
    match connection {
        ClientConnection::Http1(connection) => http1(case, connection, app, upgraded).await,
        ClientConnection::Http2(connection) => http2(case, connection, app, upgraded).await,
    }
}

/// Adds the headers that every case sends.
fn request(case: &ExchangeCase, app: &TestApp, gate: &HandlerGate) -> TestRequest {
    case.request
        .clone()
        .header("te", "trailers")
        .header("x-request-id", app.id())
        .header(GATE_HEADER, gate.token())
}

fn failed(what: &'static str) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{what}: {error}")
}

async fn http1(
    case: &ExchangeCase,
    mut connection: Http1,
    app: &TestApp,
    upgraded: Option<&TestRecorder>,
) -> Result<ClientResult, String> {
    let closed = |status| {
        Ok(ClientResult {
            connection: None,
            status,
        })
    };
    let mut gate = app.gate(case.client.needs_gate());
    connection
        .send(&request(case, app, &gate))
        .await
        .map_err(failed("the request"))?;
    match case.client {
        ClientBehavior::LeavesBeforeResponse | ClientBehavior::AbortsBeforeResponse => {
            gate.entered().await?;
            if case.client == ClientBehavior::AbortsBeforeResponse {
                connection.reset_on_drop().map_err(failed("the socket"))?;
            }
            return closed(None);
        }
        ClientBehavior::GetsNoResponse => {
            return no_response(connection.head().await.ok().map(|head| head.status));
        }
        ClientBehavior::HalfCloses => {
            gate.entered().await?;
            connection.shutdown().await.map_err(failed("the half-close"))?;
            if case.expected.status.is_none() {
                return no_response(connection.head().await.ok().map(|head| head.status));
            }
            gate.release();
        }
        _ => {}
    }
    let head = match connection.head().await {
        Ok(head) => head,
        // hyper drops what it has not flushed when the body fails.
        Err(_) if case.client == ClientBehavior::ReadsBrokenBody => return closed(None),
        Err(error) => return Err(format!("the response head: {error}")),
    };
    let status = Some(head.status);
    match case.client {
        ClientBehavior::LeavesInBody | ClientBehavior::AbortsInBody => {
            connection
                .read_to("hello")
                .await
                .map_err(failed("the start of the body"))?;
            if case.client == ClientBehavior::AbortsInBody {
                connection.reset_on_drop().map_err(failed("the socket"))?;
            }
            return closed(status);
        }
        ClientBehavior::ReadsBrokenBody => {
            return match connection.body(&head, case.request.method_name()).await {
                Ok(_) => Err("the body is complete".into()),
                Err(_) => closed(status),
            };
        }
        ClientBehavior::Upgrades => {
            connection.write(b"ping").await.map_err(failed("the tunnel"))?;
            connection.read_to("ping").await.map_err(failed("the echo"))?;
            check_upgraded_gauge(upgraded)?;
            return closed(status);
        }
        _ => {}
    }
    let (body, trailers) = connection
        .body(&head, case.request.method_name())
        .await
        .map_err(failed("the body"))?;
    check_response(case, head.status, &body, &trailers)?;
    let closes = head
        .headers
        .get("connection")
        .is_some_and(|value| value == "close");
    if closes != case.closes(Protocol::Http1) && case.client == ClientBehavior::Reads {
        return Err(format!("`connection: close` is {closes}"));
    }
    let keep = !closes && case.client == ClientBehavior::Reads;
    Ok(ClientResult {
        connection: keep.then_some(ClientConnection::Http1(connection)),
        status,
    })
}

async fn http2(
    case: &ExchangeCase,
    connection: Http2,
    app: &TestApp,
    upgraded: Option<&TestRecorder>,
) -> Result<ClientResult, String> {
    let mut gate = app.gate(case.client.needs_gate());
    let mut sent = connection
        .send(&request(case, app, &gate))
        .await
        .map_err(failed("the request"))?;
    let keep = |connection, status| {
        let connection = Some(ClientConnection::Http2(connection));
        Ok(ClientResult { connection, status })
    };
    match case.client {
        ClientBehavior::LeavesBeforeResponse => {
            gate.entered().await?;
            sent.sending.send_reset(Reason::CANCEL);
            return keep(connection, None);
        }
        ClientBehavior::AbortsBeforeResponse => {
            gate.entered().await?;
            connection.abort();
            return Ok(ClientResult {
                connection: None,
                status: None,
            });
        }
        ClientBehavior::GetsNoResponse => {
            no_response(sent.response.await.ok().map(|head| head.status().as_u16()))?;
            return keep(connection, None);
        }
        ClientBehavior::HalfCloses => {
            gate.entered().await?;
            gate.release();
        }
        _ => {}
    }
    let response = match sent.response.await {
        Ok(response) => response,
        // The client may see the reset before the head.
        Err(_) if case.client == ClientBehavior::ReadsBrokenBody => return keep(connection, None),
        Err(error) => return Err(format!("the response head: {error}")),
    };
    let (head, mut body) = response.into_parts();
    let status = Some(head.status.as_u16());
    match case.client {
        ClientBehavior::LeavesInBody | ClientBehavior::AbortsInBody => {
            let first = body.data().await.ok_or("the body ended")?;
            let first = first.map_err(|error| format!("the start of the body: {error}"))?;
            if !first.windows(5).any(|found| found == b"hello") {
                return Err(format!("the body began with {first:?}"));
            }
            if case.client == ClientBehavior::AbortsInBody {
                connection.abort();
                return Ok(ClientResult {
                    connection: None,
                    status,
                });
            }
            sent.sending.send_reset(Reason::CANCEL);
            return keep(connection, status);
        }
        ClientBehavior::ReadsBrokenBody => {
            return match read_body(&mut body).await {
                Ok(_) => Err("the body is complete".into()),
                Err(_) => keep(connection, status),
            };
        }
        ClientBehavior::Upgrades => {
            let ping = Bytes::from_static(b"ping");
            sent.sending
                .send_data(ping.clone(), false)
                .map_err(|error| error.to_string())?;
            let echo = body.data().await.ok_or("the tunnel ended")?;
            if echo.map_err(|error| format!("the echo: {error}"))? != ping {
                return Err("the echo differs".into());
            }
            check_upgraded_gauge(upgraded)?;
            sent.sending
                .send_data(Bytes::new(), true)
                .map_err(|error| error.to_string())?;
            read_body(&mut body)
                .await
                .map_err(failed("the end of the tunnel"))?;
            return keep(connection, status);
        }
        _ => {}
    }
    let (body, trailers) = read_body(&mut body).await.map_err(failed("the body"))?;
    check_response(case, head.status.as_u16(), &body, &trailers)?;
    keep(connection, status)
}

/// Expects no response.
fn no_response(head: Option<u16>) -> Result<ClientResult, String> {
    match head {
        Some(status) => Err(format!("unexpected response: {status}")),
        None => Ok(ClientResult {
            connection: None,
            status: None,
        }),
    }
}

/// Expects the response of the case.
fn check_response(
    case: &ExchangeCase,
    status: u16,
    body: &[u8],
    trailers: &http::HeaderMap,
) -> Result<(), String> {
    if case.layers == LayerSetup::Limited && status == 503 {
        return Ok(());
    }
    if Some(status) != case.expected.status || case.expected.bytes != Some(body.len() as u64) {
        return Err(format!("the response is {status} with {} bytes", body.len()));
    }
    let ends_in_trailers = !body.is_empty()
        && matches!(
            case.request.path(),
            "/trailers" | "/pkg.Greeter/Unary" | "/pkg.Greeter/Stream" | "/pkg.Greeter/Late"
        );
    if trailers.is_empty() == ends_in_trailers {
        return Err(format!("the trailers are {trailers:?}"));
    }
    Ok(())
}

/// Expects one upgraded connection.
fn check_upgraded_gauge(upgraded: Option<&TestRecorder>) -> Result<(), String> {
    match upgraded.map(|recorder| recorder.total("http_server_upgraded_connections")) {
        None | Some(1.0) => Ok(()),
        Some(open) => Err(format!(
            "the gauge is {open} while one upgraded connection is open"
        )),
    }
}
