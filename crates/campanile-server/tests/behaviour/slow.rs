//! Clients that take their answers slowly, or not at all.

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

/// More than the buffers on the way hold.
const LENGTH: usize = 8_000_000;

async fn large(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(vec![b'x'; LENGTH])))
}

/// Connects with little room.
async fn connect(running: &Running) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.connect(running.address).await.unwrap()
}

async fn ask(running: &Running) -> TcpStream {
    let mut io = connect(running).await;
    io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.in_flight(2).await;
    // The answer's first byte is there, and the rest on its way.
    let mut first = [0];
    within("a byte", io.read_exact(&mut first)).await.unwrap();
    io
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_an_answer_that_is_taken_slowly() {
    let running = start(times(0, 25_000), Server::new(service_fn(large))).await;
    let mut io = ask(&running).await;
    running.handle.drain();
    tokio::time::sleep(ms(1_500)).await;
    let mut answer = Vec::new();
    within("the answer", io.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.len() > LENGTH, "{} bytes", answer.len());
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_taken_is_counted_among_the_cut() {
    let running = start(times(0, 500), Server::new(service_fn(large))).await;
    let _io = ask(&running).await;
    running.handle.drain();
    let report = running.stopped().await;
    assert_eq!((report.cut_requests(), report.was_cut()), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_of_its_answer_is_dropped_after_the_idle_time() {
    let server = Server::new(service_fn(large)).idle_timeout(ms(300));
    let running = start(times(0, 500), server).await;
    let _io = ask(&running).await;
    running.in_flight(1).await;
    running.handle.drain();
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http2_neither_a_silence_nor_a_reset_cuts_an_answer_short() {
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
    let answer = sender.send_request(request, true).unwrap().0;
    let mut body = within("a head", answer).await.unwrap().into_body();
    // It reads nothing for a while, in which the server stops: a GOAWAY waits behind the answer.
    pausing.send(()).unwrap();
    running.handle.drain();
    tokio::time::sleep(ms(1_700)).await;
    resume.send(()).unwrap();
    let mut length = 0;
    while let Some(data) = within("data", body.data()).await {
        length += data
            .unwrap_or_else(|error| panic!("{error} after {length}"))
            .len();
        // Tells the server of new room, as clients do while they read.
        let _ = body.flow_control().release_capacity(length.min(1000));
    }
    assert_eq!(length, LENGTH);
    drop(sender);
    within("the end", connection).await.unwrap().unwrap();
    assert!(!running.stopped().await.was_cut());
}
