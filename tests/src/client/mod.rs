//! Test clients for HTTP/1 and HTTP/2: whole exchanges, and single steps for clients that misbehave.

mod http1;
mod http2;
mod raw_http2;
mod request;
mod response;
mod socket;

use std::{fmt::Display, io};

use tokio::{
    net::{TcpStream, UnixStream},
    runtime, time,
};
use tokio_util::either::Either;

pub use self::{
    http1::{Http1, ResponseHead},
    http2::{Http2, SentRequest, WebSocketOverHttp2, read_body},
    raw_http2::{Http2Reaction, send_raw_header},
    request::{Protocol, RequestBody, TestRequest, metrics_text},
    response::TestResponse,
    socket::{Socket, TIMEOUT, connect, read_head, read_response},
};

type Stream = Either<TcpStream, UnixStream>;

/// Connects to `127.0.0.1:PORT` or `unix:/path`.
async fn open_stream(address: impl Display) -> io::Result<Stream> {
    let address = address.to_string();
    if let Some(path) = address.strip_prefix("unix:") {
        return Ok(Either::Right(UnixStream::connect(path).await?));
    }
    let stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    Ok(Either::Left(stream))
}

/// Runs a client for tests that are not async, no longer than [`TIMEOUT`].
fn block_on<T>(what: &str, work: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a single-threaded runtime starts");
    let result = runtime.block_on(async { time::timeout(TIMEOUT, work).await });
    result.unwrap_or_else(|_| panic!("{what} took longer than {TIMEOUT:?}"))
}
