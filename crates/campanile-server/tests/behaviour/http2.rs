//! The stop and the limits of HTTP/2.

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

async fn ask(sender: &SendRequest<Bytes>, path: &str) -> Result<u16, h2::Error> {
    let mut sender = sender.clone().ready().await?;
    let request = Request::get(format!("http://a{path}")).body(()).unwrap();
    let answer = sender.send_request(request, true)?.0.await?;
    Ok(answer.status().as_u16())
}

#[tokio::test]
async fn connections_get_goaway_one_after_the_other_in_the_first_half_of_the_drain_time() {
    let running = start(times(3000, 5000), Server::new(simple())).await;
    let mut connections = Vec::new();
    for _ in 0..8 {
        let (sender, connection) = connect(&running).await;
        assert_eq!(ask(&sender, "/").await.unwrap(), 200);
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
async fn who_comes_in_the_drain_is_answered_first() {
    let running = start(times(2000, 5000), Server::new(simple())).await;
    running.handle.drain();
    tokio::time::sleep(ms(50)).await;
    let (sender, connection) = connect(&running).await;
    // Beyond the moment at which an older connection would have got its GOAWAY.
    tokio::time::sleep(ms(1200)).await;
    assert_eq!(ask(&sender, "/sleep/100").await.unwrap(), 200);
    let (ended, took) = timed(within("a GOAWAY", connection)).await;
    ended.unwrap().unwrap();
    assert!(took < ms(1500), "{took:?}");
    running.handle.end_drain_time();
    assert!(!running.stopped().await.was_cut());
}

/// Asks over one connection until it is told to go; each request has to be answered.
async fn ask_on(running: &Running) -> u32 {
    let (mut sender, connection) = connect(running).await;
    let mut answered = 0;
    // Once it has heard a GOAWAY, a connection takes nothing new.
    while let Ok(mut ready) = sender.ready().await {
        let request = Request::get("http://a/").body(()).unwrap();
        let answer = ready.send_request(request, true).unwrap().0.await;
        let mut body = answer.unwrap().into_body();
        while let Some(data) = body.data().await {
            data.unwrap();
        }
        answered += 1;
        sender = ready;
    }
    within("the end of a connection", connection)
        .await
        .unwrap()
        .unwrap();
    answered
}

#[tokio::test]
async fn who_asks_as_soon_as_it_is_answered_does_not_ask_behind_a_goaway() {
    let running = start(times(1000, 5000), Server::new(simple())).await;
    running.handle.drain();
    // Those that come late wait for their moment as well: many at once.
    let clients = (0..20).map(|_| ask_on(&running));
    for answered in futures_util::future::join_all(clients).await {
        assert!(answered > 0);
    }
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test]
async fn streams_in_flight_end_and_what_is_on_the_way_is_served() {
    let running = start(times(0, 10_000), Server::new(simple())).await;
    let (busy, busy_connection) = connect(&running).await;
    let (fresh, fresh_connection) = connect(&running).await;
    let slow = tokio::spawn(async move { ask(&busy, "/sleep/700").await });
    running.in_flight(3).await;
    tokio::time::sleep(ms(50)).await;
    running.handle.drain();
    running.handle.drain_elapsed().await;
    tokio::time::sleep(ms(100)).await;
    assert_eq!(ask(&fresh, "/").await.unwrap(), 200);
    assert_eq!(slow.await.unwrap().unwrap(), 200);
    let (report, took) = timed(running.stopped()).await;
    assert!(!report.was_cut());
    assert!(took < ms(1500), "{took:?}");
    busy_connection.await.unwrap().unwrap();
    fresh_connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_answer_to_goaway_does_not_hold_the_stop() {
    let running = start(times(0, 20_000), Server::new(simple())).await;
    let mut io = TcpStream::connect(running.address).await.unwrap();
    // The preface, empty SETTINGS, and a request: GET / of authority a, by indices and literals of HPACK.
    io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    io.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    io.write_all(&[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a'])
        .await
        .unwrap();
    let mut seen = vec![0; 16 << 10];
    let mut read = 0;
    while !seen[..read].ends_with(b"ok") {
        read += within("an answer", io.read(&mut seen[read..])).await.unwrap();
    }
    running.handle.drain();
    let (report, took) = timed(running.stopped()).await;
    assert!(!report.was_cut());
    assert!(took < ms(3000), "{took:?}");
}

#[tokio::test]
async fn a_preface_must_be_followed_by_a_request_and_an_idle_connection_ends() {
    let server = Server::new(simple())
        .header_read_timeout(ms(300))
        .idle_timeout(ms(600));
    let running = start(times(0, 1000), server).await;
    let (mute, mute_connection) = connect(&running).await;
    let (idle, idle_connection) = connect(&running).await;
    assert_eq!(ask(&idle, "/").await.unwrap(), 200);
    let (_, took) = timed(within("the end", mute_connection)).await;
    assert!(took > ms(150) && took < ms(1500), "{took:?}");
    let ended = within("the end", idle_connection).await.unwrap();
    ended.unwrap();
    drop((mute, idle));
}
