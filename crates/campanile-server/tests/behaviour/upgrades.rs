//! Graceful shutdown of WebSockets and tunnels.

use axum::Router;
use axum::extract::Extension;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use campanile_server::{Connection, Server};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;

use crate::support::{Running, ms, start, timed, times, within};

/// Echoes, and closes the WebSocket when the connection drains.
async fn polite(upgrade: WebSocketUpgrade, Extension(connection): Extension<Connection>) -> Response {
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        let mut draining = connection.draining();
        loop {
            tokio::select! {
                message = socket.recv() => match message {
                    Some(Ok(message @ Message::Text(_))) => socket.send(message).await.unwrap(),
                    Some(Ok(_)) => {}
                    _ => return,
                },
                () = &mut draining => {
                    // The shutdown waits for slow goodbyes.
                    tokio::time::sleep(ms(300)).await;
                    let _ = socket.send(Message::Close(None)).await;
                    while let Some(Ok(_)) = socket.recv().await {}
                    return;
                }
            }
        }
    })
}

/// Echoes, and ignores the drain.
async fn stubborn(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        while let Some(Ok(message)) = socket.recv().await {
            let _ = socket.send(message).await;
        }
    })
}

fn app() -> Router {
    Router::new()
        .route("/polite", any(polite))
        .route("/stubborn", any(stubborn))
}

async fn connect(running: &Running, path: &str) -> WebSocketStream<TcpStream> {
    let io = TcpStream::connect(running.address).await.unwrap();
    let url = format!("ws://{}{path}", running.address);
    let (mut socket, _) = within("the handshake", tokio_tungstenite::client_async(url, io))
        .await
        .unwrap();
    socket.send("hello".into()).await.unwrap();
    let echo = within("the echo", socket.next()).await.unwrap().unwrap();
    assert_eq!(echo.into_text().unwrap(), "hello");
    socket
}

#[tokio::test]
async fn websocket_handler_sees_the_drain_and_is_waited_for() {
    let running = start(times(0, 10_000), Server::new(app())).await;
    let mut socket = connect(&running, "/polite").await;
    assert_eq!(running.handle.in_flight(), 2, "the listener and the socket");
    running.handle.drain();
    let goodbye = within("a close frame", socket.next()).await.unwrap().unwrap();
    assert!(goodbye.is_close(), "{goodbye:?}");
    drop(socket);
    let (report, took) = timed(running.stopped()).await;
    assert!(!report.was_cut(), "{report:?}");
    assert!(took < ms(1500), "{took:?}");
}

#[tokio::test]
async fn websocket_that_ignores_the_drain_is_cut_without_a_reset() {
    let running = start(times(0, 300), Server::new(app())).await;
    let mut socket = connect(&running, "/stubborn").await;
    running.handle.drain();
    let end = loop {
        match within("the end", socket.next()).await {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    if let Some(Err(tungstenite::Error::Io(error))) = end {
        panic!("reset: {error}");
    }
    let report = running.stopped().await;
    assert_eq!(report.in_flight_when_cut(), 1);
}

#[tokio::test]
async fn upgraded_connections_have_no_timeouts() {
    let server = Server::new(app())
        .idle_timeout(ms(100))
        .header_read_timeout(ms(100))
        .max_age(ms(100));
    let running = start(times(0, 1000), server).await;
    let mut socket = connect(&running, "/stubborn").await;
    tokio::time::sleep(ms(400)).await;
    socket.send("still there".into()).await.unwrap();
    let echo = within("the echo", socket.next()).await.unwrap().unwrap();
    assert_eq!(echo.into_text().unwrap(), "still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_websockets_drain_at_random_moments() {
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limits.maximum,
        ..limits
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let running = start(times(4000, 10_000), Server::new(app())).await;
    let mut sockets = Vec::new();
    for _ in 0..1000 {
        sockets.push(connect(&running, "/polite").await);
    }
    running.handle.drain();
    let began = std::time::Instant::now();
    let ends = sockets.into_iter().map(|mut socket| {
        tokio::spawn(async move {
            let goodbye = within("a close frame", socket.next()).await.unwrap().unwrap();
            assert!(goodbye.is_close());
            began.elapsed()
        })
    });
    let mut times = Vec::new();
    for end in futures_util::future::join_all(ends).await {
        times.push(end.unwrap());
    }
    times.sort();
    assert!(
        times[500] - times[10] > ms(500),
        "all at once: {:?} .. {:?}",
        times[10],
        times[500]
    );
    let report = running.stopped().await;
    assert!(!report.was_cut(), "{report:?}");
}

#[tokio::test]
async fn tunnel_is_waited_for() {
    use http::{Method, Request};
    use http_body_util::Empty;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let service = tower::service_fn(async |mut request: Request<hyper::body::Incoming>| {
        assert_eq!(request.method(), Method::CONNECT);
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
            let mut buf = [0; 64];
            while let Ok(read @ 1..) = io.read(&mut buf).await {
                io.write_all(&buf[..read]).await.unwrap();
            }
        });
        Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<bytes::Bytes>::new()))
    });
    let running = start(times(0, 10_000), Server::new(service)).await;
    let mut client = running.client().await;
    client.send("CONNECT b:1 HTTP/1.1\r\nhost: b:1\r\n\r\n").await;
    client.until("\r\n\r\n").await;
    running.handle.drain();
    tokio::time::sleep(ms(700)).await;
    client.send("through").await;
    client.until("through").await;
    client.io.shutdown().await.unwrap();
    let report = running.stopped().await;
    assert!(!report.was_cut(), "{report:?}");
}
