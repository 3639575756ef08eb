//! Graceful shutdown of HTTP/1: no request is lost, and no wait is in vain.

use std::time::Instant;

use campanile_server::Server;
use tokio::net::TcpStream;

use crate::support::{Client, ms, simple, start, timed, times};

#[tokio::test]
async fn requests_in_the_drain_time_are_served_with_connection_close() {
    let running = start(times(700, 5000), Server::new(simple())).await;
    let mut kept = running.kept_alive().await;
    let mut idle = running.kept_alive().await;
    running.handle.drain();
    assert!(!running.handle.is_ready());

    kept.get("/").await;
    let response = kept.response().await;
    assert!(response.closes(), "{response:?}");
    assert_eq!(kept.rest().await, "");
    let mut new = running.client().await;
    new.get("/").await;
    assert!(new.response().await.closes());

    // Idle connections stay open during the drain time, since a request may be on its way.
    let (rest, took) = timed(idle.rest()).await;
    assert_eq!(rest, "");
    assert!(took > ms(600), "closed after {took:?}");
    let report = running.stopped().await;
    assert!(!report.was_cut(), "{report:?}");
    assert_eq!(report.drained_requests(), 2);
}

#[tokio::test]
async fn idle_connections_delay_the_shutdown_by_their_silence_only() {
    let running = start(times(0, 10_000), Server::new(simple())).await;
    let (mut idle, mut opener) = (running.kept_alive().await, running.client().await);
    running.in_flight(3).await;
    running.handle.drain();
    let (report, took) = timed(running.stopped()).await;
    assert!(!report.was_cut());
    assert!(took > ms(150), "closed too early: {took:?}");
    // Closing the listener takes up to 300 ms.
    assert!(took < ms(1500), "{took:?}");
    assert_eq!(
        (idle.rest().await, opener.rest().await),
        (String::new(), String::new())
    );
}

#[tokio::test]
async fn request_on_its_way_at_the_end_of_the_drain_time_is_served() {
    for _ in 0..20 {
        let running = start(times(0, 5000), Server::new(simple())).await;
        let (mut kept, mut fresh) = (running.kept_alive().await, running.client().await);
        running.in_flight(3).await;
        let begun = Instant::now();
        running.handle.drain();
        running.handle.drain_elapsed().await;
        tokio::time::sleep(ms(30)).await;
        kept.get("/").await;
        if begun.elapsed() > ms(150) {
            // Delayed by other load on the machine: the silence may be over.
            running.stopped().await;
            continue;
        }
        fresh.get("/").await;
        for client in [&mut kept, &mut fresh] {
            let response = client.response().await;
            assert_eq!((response.status, response.closes()), (200, true));
            assert_eq!(client.rest().await, "");
        }
        assert!(!running.stopped().await.was_cut());
        return;
    }
    panic!("no request was sent within 150 ms of the drain in 20 rounds");
}

#[tokio::test]
async fn connections_in_the_accept_queue_are_served() {
    // This thread runs the server too, so nothing is accepted until the first await below.
    let running = start(times(0, 5000), Server::new(simple())).await;
    let mut waiting: Vec<_> = (0..50)
        .map(|_| {
            let stream = std::net::TcpStream::connect(running.address).unwrap();
            stream.set_nonblocking(true).unwrap();
            Client::new(TcpStream::from_std(stream).unwrap())
        })
        .collect();
    running.handle.drain();
    for client in &mut waiting {
        client.get("/").await;
    }
    for client in &mut waiting {
        assert_eq!(client.response().await.status, 200);
    }
    let address = running.address;
    assert!(!running.stopped().await.was_cut());
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn response_is_not_lost_to_a_reset_when_the_request_body_is_unread() {
    let running = start(times(5000, 5000), Server::new(simple())).await;
    running.handle.drain();
    let mut client = running.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n")
        .await;
    // These arrive after the response was sent.
    for _ in 0..10 {
        tokio::time::sleep(ms(20)).await;
        client.send(&"x".repeat(10_000)).await;
    }
    let response = client.response().await;
    assert_eq!((response.status, response.closes()), (200, true));
    assert_eq!(client.rest().await, "");
    drop(client);
    running.in_flight(1).await;
    running.handle.end_drain_time();
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test]
async fn shutdown_ends_with_the_request_in_flight() {
    let running = start(times(0, 10_000), Server::new(simple())).await;
    let mut client = running.client().await;
    client.get("/sleep/800").await;
    running.in_flight(2).await;
    let began = Instant::now();
    running.handle.drain();
    let response = client.response().await;
    assert_eq!((response.status, response.closes()), (200, true));
    let report = running.stopped().await;
    assert!(!report.was_cut());
    assert!(began.elapsed() < ms(1500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn shutdown_with_nothing_in_flight_ends_at_once() {
    let running = start(times(0, 10_000), Server::new(simple())).await;
    running.handle.drain();
    let (_, took) = timed(running.stopped()).await;
    assert!(took < ms(600), "{took:?}");
}

#[tokio::test]
async fn end_drain_time_closes_idle_connections() {
    let running = start(times(60_000, 10_000), Server::new(simple())).await;
    let mut idle = running.kept_alive().await;
    running.handle.drain();
    tokio::time::sleep(ms(50)).await;
    running.handle.end_drain_time();
    let (_, took) = timed(running.stopped()).await;
    assert!(took < ms(1500), "{took:?}");
    assert_eq!(idle.rest().await, "");
}

#[tokio::test]
async fn partial_head_delays_the_shutdown_by_a_second_and_is_served_if_completed() {
    let running = start(times(0, 10_000), Server::new(simple())).await;
    let (mut slow, mut late) = (running.kept_alive().await, running.client().await);
    slow.send("GET / HTTP/1.1\r\nx-").await;
    late.send("GET / HTTP/1.1\r\nhost: a").await;
    running.in_flight(3).await;
    running.handle.drain();
    running.handle.drain_elapsed().await;
    let (mut reader, mut writer) = tokio::io::split(slow.io);
    let dripping = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while writer.write_all(b"a").await.is_ok() {
            tokio::time::sleep(ms(50)).await;
        }
    });
    let reading = tokio::spawn(async move {
        use tokio::io::AsyncReadExt;
        let _ = reader.read(&mut [0; 1]).await;
    });
    tokio::time::sleep(ms(500)).await;
    late.send("\r\n\r\n").await;
    assert_eq!(late.response().await.status, 200);
    let (report, took) = timed(running.stopped()).await;
    assert!(!report.was_cut(), "{report:?}");
    assert!(took < ms(1500), "{took:?}");
    dripping.await.unwrap();
    reading.await.unwrap();
}

#[tokio::test]
async fn http_1_0_keep_alive_gets_connection_close_in_the_drain() {
    let running = start(times(3_000, 1_000), Server::new(simple())).await;
    let mut client = running.client().await;
    client
        .send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        .await;
    assert!(
        client
            .response()
            .await
            .head
            .contains("\r\nconnection: keep-alive\r\n")
    );
    running.handle.drain();
    client
        .send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        .await;
    let response = client.response().await;
    assert!(response.closes(), "{response:?}");
    assert_eq!(client.rest().await, "");
    running.handle.end_drain_time();
    running.stopped().await;
}
