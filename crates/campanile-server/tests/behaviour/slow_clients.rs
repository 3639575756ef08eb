//! Clients that read their responses slowly, or not at all.

use std::convert::Infallible;

use bytes::Bytes;
use campanile_server::Server;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tower::service_fn;

use crate::support::{Running, ms, start, times, within};

/// More than all buffers hold.
const LENGTH: usize = 8_000_000;

async fn large(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(vec![b'x'; LENGTH])))
}

/// Connects with a small receive buffer.
async fn connect(running: &Running) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.connect(running.address).await.unwrap()
}

async fn request(running: &Running) -> TcpStream {
    let mut io = connect(running).await;
    io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.in_flight(2).await;
    // The response has begun.
    let mut first = [0];
    within("a byte", io.read_exact(&mut first)).await.unwrap();
    io
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_waits_for_a_response_that_is_read_slowly() {
    let running = start(times(0, 25_000), Server::new(service_fn(large))).await;
    let mut io = request(&running).await;
    running.handle.drain();
    tokio::time::sleep(ms(1_500)).await;
    let mut response = Vec::new();
    within("the response", io.read_to_end(&mut response))
        .await
        .unwrap();
    assert!(response.len() > LENGTH, "{} bytes", response.len());
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_response_counts_as_cut() {
    let running = start(times(0, 500), Server::new(service_fn(large))).await;
    let _io = request(&running).await;
    running.handle.drain();
    let report = running.stopped().await;
    assert_eq!((report.cut_requests(), report.was_cut()), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_does_not_read_is_dropped_at_the_idle_timeout() {
    let server = Server::new(service_fn(large)).idle_timeout(ms(300));
    let running = start(times(0, 500), server).await;
    let _io = request(&running).await;
    running.in_flight(1).await;
    running.handle.drain();
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_response_is_complete_after_a_pause_of_the_client() {
    let running = start(times(0, 25_000), Server::new(service_fn(large))).await;
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(2 * LENGTH as u32)
        .initial_connection_window_size(2 * LENGTH as u32)
        .handshake::<_, Bytes>(connect(&running).await)
        .await
        .unwrap();
    let (pausing, paused) = oneshot::channel::<()>();
    let (resume, resumed) = oneshot::channel::<()>();
    let connection = tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = &mut connection => return ended,
            _ = paused => {}
        }
        resumed.await.unwrap();
        connection.await
    });
    let mut sender = sender.ready().await.unwrap();
    let request = Request::get("http://a/").body(()).unwrap();
    let response = sender.send_request(request, true).unwrap().0;
    let mut body = within("a head", response).await.unwrap().into_body();
    // The client pauses while the server shuts down: the GOAWAY waits behind the response.
    pausing.send(()).unwrap();
    running.handle.drain();
    tokio::time::sleep(ms(1_700)).await;
    resume.send(()).unwrap();
    let mut length = 0;
    while let Some(data) = within("data", body.data()).await {
        length += data
            .unwrap_or_else(|error| panic!("{error} after {length}"))
            .len();
        // Sends window updates, as clients do while they read.
        let _ = body.flow_control().release_capacity(length.min(1000));
    }
    assert_eq!(length, LENGTH);
    drop(sender);
    within("the end", connection).await.unwrap().unwrap();
    assert!(!running.stopped().await.was_cut());
}
