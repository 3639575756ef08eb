//! The stop of HTTP/1: nobody is lost, and nobody is waited for in vain.

use std::time::Instant;

use campanile_server::Server;
use tokio::net::TcpStream;

use crate::support::{Client, ms, simple, start, timed, times};

#[tokio::test]
async fn in_the_drain_time_all_is_served_and_told_to_go_elsewhere() {
    let running = start(times(700, 5000), Server::new(simple())).await;
    let mut kept = running.kept_alive().await;
    let mut idle = running.kept_alive().await;
    running.handle.drain();
    assert!(!running.handle.is_ready());

    kept.get("/").await;
    let answer = kept.answer().await;
    assert!(answer.closes(), "{answer:?}");
    assert_eq!(kept.rest().await, "");
    let mut new = running.client().await;
    new.get("/").await;
    assert!(new.answer().await.closes());

    // Idle ones stay, for the drain time: their client may be sending.
    let (rest, took) = timed(idle.rest()).await;
    assert_eq!(rest, "");
    assert!(took > ms(600), "closed after {took:?}");
    let report = running.stopped().await;
    assert!(!report.was_cut(), "{report:?}");
    assert_eq!(report.drained_requests(), 2);
}

#[tokio::test]
async fn idle_connections_hold_the_stop_for_their_silence_and_no_longer() {
    let running = start(times(0, 10_000), Server::new(simple())).await;
    let (mut idle, mut opener) = (running.kept_alive().await, running.client().await);
    running.in_flight(3).await;
    running.handle.drain();
    let (report, took) = timed(running.stopped()).await;
    assert!(!report.was_cut());
    assert!(took > ms(150), "not silent for long enough: {took:?}");
    // The listener's close may take 300 ms by itself.
    assert!(took < ms(1500), "{took:?}");
    assert_eq!(
        (idle.rest().await, opener.rest().await),
        (String::new(), String::new())
    );
}

#[tokio::test]
async fn what_is_on_the_way_when_the_drain_time_ends_is_served() {
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
            // The machine had something else to do meanwhile, and the silence may be over.
            running.stopped().await;
            continue;
        }
        fresh.get("/").await;
        for client in [&mut kept, &mut fresh] {
            let answer = client.answer().await;
            assert_eq!((answer.status, answer.closes()), (200, true));
            assert_eq!(client.rest().await, "");
        }
        assert!(!running.stopped().await.was_cut());
        return;
    }
    panic!("in none of 20 rounds was the request sent within 150 ms of the drain");
}

#[tokio::test]
async fn whoever_waits_in_the_accept_queue_is_served() {
    // One thread, which is kept from accepting.
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
        assert_eq!(client.answer().await.status, 200);
    }
    let address = running.address;
    assert!(!running.stopped().await.was_cut());
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn an_answer_is_not_lost_to_a_reset_because_the_body_of_its_request_was_not_read() {
    let running = start(times(5000, 5000), Server::new(simple())).await;
    running.handle.drain();
    let mut client = running.client().await;
    client
        .send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n")
        .await;
    // The answer is there, and the connection as good as closed, when these come.
    for _ in 0..10 {
        tokio::time::sleep(ms(20)).await;
        client.send(&"x".repeat(10_000)).await;
    }
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.closes()), (200, true));
    assert_eq!(client.rest().await, "");
    drop(client);
    running.in_flight(1).await;
    running.handle.end_drain_time();
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test]
async fn a_request_in_flight_is_waited_for_and_its_end_is_the_end_of_the_stop() {
    let running = start(times(0, 10_000), Server::new(simple())).await;
    let mut client = running.client().await;
    client.get("/sleep/800").await;
    running.in_flight(2).await;
    let began = Instant::now();
    running.handle.drain();
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.closes()), (200, true));
    let report = running.stopped().await;
    assert!(!report.was_cut());
    assert!(began.elapsed() < ms(1500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn with_nothing_in_flight_the_stop_is_over_at_once() {
    let running = start(times(0, 10_000), Server::new(simple())).await;
    running.handle.drain();
    let (_, took) = timed(running.stopped()).await;
    assert!(took < ms(600), "{took:?}");
}

#[tokio::test]
async fn a_second_word_ends_the_drain_time() {
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
async fn a_head_that_drips_holds_the_stop_for_a_second_and_one_that_ends_in_it_is_served() {
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
    assert_eq!(late.answer().await.status, 200);
    let (report, took) = timed(running.stopped()).await;
    assert!(!report.was_cut(), "{report:?}");
    assert!(took < ms(1500), "{took:?}");
    dripping.await.unwrap();
    reading.await.unwrap();
}

#[tokio::test]
async fn a_client_of_http_1_0_that_keeps_alive_is_told_to_close_and_nothing_else() {
    let running = start(times(3_000, 1_000), Server::new(simple())).await;
    let mut client = running.client().await;
    client
        .send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        .await;
    assert!(
        client
            .answer()
            .await
            .head
            .contains("\r\nconnection: keep-alive\r\n")
    );
    running.handle.drain();
    client
        .send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert!(answer.closes(), "{answer:?}");
    assert_eq!(client.rest().await, "");
    running.handle.end_drain_time();
    running.stopped().await;
}
