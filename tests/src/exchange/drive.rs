//! Does what a row's client does.

use std::{fmt::Display, net::SocketAddr};

use bytes::Bytes;
use h2::Reason;

use super::{Client, Row};
use crate::{
    app::App,
    client::{Http1, Http2, read},
    tally::Tally,
};

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
}

/// An open connection.
#[derive(Debug)]
pub enum Connection {
    /// HTTP/1.1.
    H1(Http1),
    /// HTTP/2.
    H2(Http2),
}

impl Connection {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// Those of the socket and of the handshake.
    pub async fn open(address: SocketAddr, protocol: Protocol) -> std::io::Result<Self> {
        Ok(match protocol {
            Protocol::H1 => Self::H1(Http1::connect(address).await?),
            Protocol::H2 => Self::H2(Http2::connect(address).await?),
        })
    }
}

/// What is left of an exchange on the client's side.
#[derive(Debug)]
pub struct Left {
    /// The connection, where it can be used again.
    pub connection: Option<Connection>,
    /// The status, where there was a head.
    pub status: Option<u16>,
}

/// Makes one exchange of a row. `upgraded` is asked for the gauge while an upgraded connection is open.
///
/// # Errors
///
/// When the client does not see what the row says, in words.
pub async fn drive(
    row: &Row,
    connection: Connection,
    app: &App,
    upgraded: Option<&Tally>,
) -> Result<Left, String> {
    match connection {
        Connection::H1(connection) => http1(row, connection, app, upgraded).await,
        Connection::H2(connection) => http2(row, connection, app, upgraded).await,
    }
}

fn seen(what: &'static str) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{what}: {error}")
}

async fn http1(row: &Row, mut connection: Http1, app: &App, tally: Option<&Tally>) -> Result<Left, String> {
    let gone = |status| {
        Ok(Left {
            connection: None,
            status,
        })
    };
    let mut visit = app.visit(row.client.watches());
    connection
        .send(&row.ask, app.id(), visit.token())
        .await
        .map_err(seen("the request"))?;
    match row.client {
        Client::LeavesBeforeHead | Client::CutsBeforeHead => {
            visit.arrival().await?;
            if row.client == Client::CutsBeforeHead {
                connection.reset_on_drop().map_err(seen("the socket"))?;
            }
            return gone(None);
        }
        Client::GetsNothing => return nothing(connection.head().await.map(|head| head.status)),
        Client::HalfCloses => {
            visit.arrival().await?;
            connection.shutdown().await.map_err(seen("the half"))?;
            if row.expected.status.is_none() {
                return nothing(connection.head().await.map(|head| head.status));
            }
            visit.go_on();
        }
        _ => {}
    }
    let head = match connection.head().await {
        Ok(head) => head,
        // What hyper had not flushed yet is gone with the connection.
        Err(_) if row.client == Client::ReadsBroken => return gone(None),
        Err(error) => return Err(format!("the head: {error}")),
    };
    let status = Some(head.status);
    match row.client {
        Client::LeavesInBody | Client::CutsInBody => {
            connection
                .read_to("hello")
                .await
                .map_err(seen("the first of the body"))?;
            if row.client == Client::CutsInBody {
                connection.reset_on_drop().map_err(seen("the socket"))?;
            }
            return gone(status);
        }
        Client::ReadsBroken => {
            return match connection.body(&head, row.ask.method).await {
                Ok(_) => Err("the body came to an end".into()),
                Err(_) => gone(status),
            };
        }
        Client::Upgrades => {
            connection.write(b"ping").await.map_err(seen("the tunnel"))?;
            connection.read_to("ping").await.map_err(seen("the echo"))?;
            open(tally)?;
            return gone(status);
        }
        _ => {}
    }
    let (body, trailers) = connection
        .body(&head, row.ask.method)
        .await
        .map_err(seen("the body"))?;
    whole(row, head.status, &body, &trailers)?;
    let closes = head
        .headers
        .get("connection")
        .is_some_and(|value| value == "close");
    if closes != row.closes(Protocol::H1) && row.client == Client::Reads {
        return Err(format!("`connection: close` was {closes}"));
    }
    let keep = !closes && row.client == Client::Reads;
    Ok(Left {
        connection: keep.then_some(Connection::H1(connection)),
        status,
    })
}

async fn http2(row: &Row, connection: Http2, app: &App, tally: Option<&Tally>) -> Result<Left, String> {
    let mut visit = app.visit(row.client.watches());
    let mut sent = connection
        .send(&row.ask, app.id(), visit.token())
        .await
        .map_err(seen("the request"))?;
    let keep = |connection, status| {
        let connection = Some(Connection::H2(connection));
        Ok(Left { connection, status })
    };
    match row.client {
        Client::LeavesBeforeHead => {
            visit.arrival().await?;
            sent.sending.send_reset(Reason::CANCEL);
            return keep(connection, None);
        }
        Client::CutsBeforeHead => {
            visit.arrival().await?;
            connection.cut();
            return Ok(Left {
                connection: None,
                status: None,
            });
        }
        Client::GetsNothing => {
            nothing(sent.answer.await.map(|head| head.status().as_u16()))?;
            return keep(connection, None);
        }
        Client::HalfCloses => {
            visit.arrival().await?;
            visit.go_on();
        }
        _ => {}
    }
    let answer = match sent.answer.await {
        Ok(answer) => answer,
        // The reset may overtake the head within the client.
        Err(_) if row.client == Client::ReadsBroken => return keep(connection, None),
        Err(error) => return Err(format!("the head: {error}")),
    };
    let (head, mut body) = answer.into_parts();
    let status = Some(head.status.as_u16());
    match row.client {
        Client::LeavesInBody | Client::CutsInBody => {
            let first = body.data().await.ok_or("the body ended")?;
            let first = first.map_err(|error| format!("the first of the body: {error}"))?;
            if !first.windows(5).any(|found| found == b"hello") {
                return Err(format!("the body began with {first:?}"));
            }
            if row.client == Client::CutsInBody {
                connection.cut();
                return Ok(Left {
                    connection: None,
                    status,
                });
            }
            sent.sending.send_reset(Reason::CANCEL);
            return keep(connection, status);
        }
        Client::ReadsBroken => {
            return match read(&mut body).await {
                Ok(_) => Err("the body came to an end".into()),
                Err(_) => keep(connection, status),
            };
        }
        Client::Upgrades => {
            let ping = Bytes::from_static(b"ping");
            sent.sending
                .send_data(ping.clone(), false)
                .map_err(|error| error.to_string())?;
            let echo = body.data().await.ok_or("the tunnel ended")?;
            if echo.map_err(|error| format!("the echo: {error}"))? != ping {
                return Err("the echo was none".into());
            }
            open(tally)?;
            sent.sending
                .send_data(Bytes::new(), true)
                .map_err(|error| error.to_string())?;
            read(&mut body).await.map_err(seen("the end of the tunnel"))?;
            return keep(connection, status);
        }
        _ => {}
    }
    let (body, trailers) = read(&mut body).await.map_err(seen("the body"))?;
    whole(row, head.status.as_u16(), &body, &trailers)?;
    keep(connection, status)
}

/// Wants no answer.
fn nothing(head: Result<u16, impl Display>) -> Result<Left, String> {
    match head {
        Ok(status) => Err(format!("an answer came: {status}")),
        Err(_) => Ok(Left {
            connection: None,
            status: None,
        }),
    }
}

/// Wants the answer that the row says.
fn whole(row: &Row, status: u16, body: &[u8], trailers: &http::HeaderMap) -> Result<(), String> {
    if row.layers == crate::server::Arrangement::Limited && status == 503 {
        return Ok(());
    }
    if Some(status) != row.expected.status || row.expected.bytes != Some(body.len() as u64) {
        return Err(format!("the answer was {status} with {} bytes", body.len()));
    }
    let ends_in_trailers = !body.is_empty()
        && matches!(
            row.ask.path,
            "/trailers" | "/pkg.Greeter/Unary" | "/pkg.Greeter/Stream" | "/pkg.Greeter/Late"
        );
    if trailers.is_empty() == ends_in_trailers {
        return Err(format!("the trailers were {trailers:?}"));
    }
    Ok(())
}

/// Wants one upgraded connection to be seen.
fn open(tally: Option<&Tally>) -> Result<(), String> {
    match tally.map(|tally| tally.total("http_server_upgraded_connections")) {
        None | Some(1.0) => Ok(()),
        Some(open) => Err(format!("{open} upgraded connections while one was open")),
    }
}
