//! Graceful shutdown and timeouts of HTTP/2.

use bytes::Bytes;
use campanile_server::Server;
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::{Running, ms, simple, start, timed, times, within};

type Connection = JoinHandle<Result<(), h2::Error>>;

async fn connect(running: &Running) -> (SendRequest<Bytes>, Connection) {
    let io = TcpStream::connect(running.address).await.unwrap();
    let (sender, connection) = h2::client::handshake(io).await.unwrap();
    (sender, tokio::spawn(connection))
}

async fn get(sender: &SendRequest<Bytes>, path: &str) -> Result<u16, h2::Error> {
    let mut sender = sender.clone().ready().await?;
    let request = Request::get(format!("http://a{path}")).body(()).unwrap();
    let response = sender.send_request(request, true)?.0.await?;
    Ok(response.status().as_u16())
}

#[tokio::test]
async fn connections_get_goaway_at_random_moments_of_the_first_half_of_the_drain_time() {
    let running = start(times(3000, 5000), Server::new(simple())).await;
    let mut connections = Vec::new();
    for _ in 0..8 {
        let (sender, connection) = connect(&running).await;
        assert_eq!(get(&sender, "/").await.unwrap(), 200);
        connections.push((sender, connection));
    }
    running.handle.drain();
    let began = std::time::Instant::now();
    let ends = connections.into_iter().map(async |(sender, connection)| {
        let ended = within("a GOAWAY", connection).await.unwrap();
        drop(sender);
        (ended, began.elapsed())
    });
    let mut times = Vec::new();
    for (ended, at) in futures_util::future::join_all(ends).await {
        ended.unwrap();
        times.push(at);
    }
    times.sort();
    assert!(times[7] < ms(2000), "{times:?}");
    assert!(times[7] - times[0] > ms(100), "all at once: {times:?}");
    running.handle.end_drain_time();
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test]
async fn connection_opened_in_the_drain_is_served_before_its_goaway() {
    let running = start(times(2000, 5000), Server::new(simple())).await;
    running.handle.drain();
    tokio::time::sleep(ms(50)).await;
    let (sender, connection) = connect(&running).await;
    // Later than the GOAWAY of any older connection.
    tokio::time::sleep(ms(1200)).await;
    assert_eq!(get(&sender, "/sleep/100").await.unwrap(), 200);
    let (ended, took) = timed(within("a GOAWAY", connection)).await;
    ended.unwrap().unwrap();
    assert!(took < ms(1500), "{took:?}");
    running.handle.end_drain_time();
    assert!(!running.stopped().await.was_cut());
}

/// Sends requests on one connection until its GOAWAY, and returns their number; each must get a response.
async fn requests_until_goaway(running: &Running) -> u32 {
    let (mut sender, connection) = connect(running).await;
    let mut served = 0;
    // Fails once the GOAWAY is received.
    while let Ok(mut ready) = sender.ready().await {
        let request = Request::get("http://a/").body(()).unwrap();
        let response = ready.send_request(request, true).unwrap().0.await;
        let mut body = response.unwrap().into_body();
        while let Some(data) = body.data().await {
            data.unwrap();
        }
        served += 1;
        sender = ready;
    }
    within("the end of a connection", connection)
        .await
        .unwrap()
        .unwrap();
    served
}

#[tokio::test]
async fn request_right_after_a_response_is_not_lost_to_a_goaway() {
    let running = start(times(1000, 5000), Server::new(simple())).await;
    running.handle.drain();
    // Connections opened in the drain have random moments too.
    let clients = (0..20).map(|_| requests_until_goaway(&running));
    for served in futures_util::future::join_all(clients).await {
        assert!(served > 0);
    }
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test]
async fn streams_in_flight_and_requests_on_their_way_are_served() {
    let running = start(times(0, 10_000), Server::new(simple())).await;
    let (busy, busy_connection) = connect(&running).await;
    let (fresh, fresh_connection) = connect(&running).await;
    let slow = tokio::spawn(async move { get(&busy, "/sleep/700").await });
    running.in_flight(3).await;
    tokio::time::sleep(ms(50)).await;
    running.handle.drain();
    running.handle.drain_elapsed().await;
    tokio::time::sleep(ms(100)).await;
    assert_eq!(get(&fresh, "/").await.unwrap(), 200);
    assert_eq!(slow.await.unwrap().unwrap(), 200);
    let (report, took) = timed(running.stopped()).await;
    assert!(!report.was_cut());
    assert!(took < ms(1500), "{took:?}");
    busy_connection.await.unwrap().unwrap();
    fresh_connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn client_that_does_not_acknowledge_goaway_does_not_delay_the_shutdown() {
    let running = start(times(0, 20_000), Server::new(simple())).await;
    let mut io = TcpStream::connect(running.address).await.unwrap();
    // The preface, empty SETTINGS, and a request in HPACK: GET / of authority a.
    io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    io.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    io.write_all(&[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a'])
        .await
        .unwrap();
    let mut seen = vec![0; 16 << 10];
    let mut read = 0;
    while !seen[..read].ends_with(b"ok") {
        read += within("a response", io.read(&mut seen[read..])).await.unwrap();
    }
    running.handle.drain();
    let (report, took) = timed(running.stopped()).await;
    assert!(!report.was_cut());
    assert!(took < ms(3000), "{took:?}");
}

#[tokio::test]
async fn connection_without_a_first_request_and_idle_connection_are_closed() {
    let server = Server::new(simple())
        .header_read_timeout(ms(300))
        .idle_timeout(ms(600));
    let running = start(times(0, 1000), server).await;
    let (unused, unused_connection) = connect(&running).await;
    let (idle, idle_connection) = connect(&running).await;
    assert_eq!(get(&idle, "/").await.unwrap(), 200);
    let (_, took) = timed(within("the end", unused_connection)).await;
    assert!(took > ms(150) && took < ms(1500), "{took:?}");
    let ended = within("the end", idle_connection).await.unwrap();
    ended.unwrap();
    drop((unused, idle));
}
