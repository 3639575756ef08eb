//! Timeouts and limits of connections.

use std::time::Duration;

use campanile_server::Server;
use tokio::io::AsyncWriteExt;

use crate::support::{ms, simple, start, timed, times};

#[tokio::test]
async fn silent_connection_is_closed_at_the_sniff_timeout() {
    let server = Server::new(simple()).sniff_timeout(ms(200));
    let running = start(times(0, 1000), server).await;
    let mut client = running.client().await;
    let (rest, took) = timed(client.rest()).await;
    assert_eq!(rest, "");
    assert!(took > ms(150) && took < ms(1500), "{took:?}");
}

#[tokio::test]
async fn partial_head_and_idle_connection_have_their_own_timeouts() {
    let server = Server::new(simple())
        .header_read_timeout(ms(200))
        .idle_timeout(ms(1000));
    let running = start(times(0, 1000), server).await;
    let mut slow = running.kept_alive().await;
    let mut idle = running.kept_alive().await;
    slow.send("GET / HT").await;
    let dripping = async {
        loop {
            tokio::time::sleep(ms(20)).await;
            if slow.io.write_all(b"T").await.is_err() {
                break;
            }
        }
    };
    let ((), took) = timed(dripping).await;
    assert!(took > ms(150) && took < ms(900), "the head: {took:?}");
    let (rest, took) = timed(idle.rest()).await;
    assert_eq!(rest, "");
    assert!(took > ms(100) && took < ms(2000), "idle: {took:?}");
}

#[tokio::test]
async fn longest_possible_timeouts_work() {
    let server = Server::new(simple())
        .sniff_timeout(Duration::MAX)
        .header_read_timeout(Duration::MAX)
        .idle_timeout(Duration::MAX)
        .max_age(Duration::MAX);
    let running = start(times(0, 1000), server).await;
    let mut client = running.kept_alive().await;
    running.handle.drain();
    assert_eq!(client.rest().await, "");
    assert!(!running.stopped().await.was_cut());
}

#[tokio::test]
async fn connection_with_a_request_in_flight_is_not_idle() {
    let server = Server::new(simple()).idle_timeout(ms(300));
    let running = start(times(0, 1000), server).await;
    let mut client = running.client().await;
    client.get("/sleep/800").await;
    assert_eq!(client.response().await.status, 200);
    // The idle time restarts at the end of the response.
    tokio::time::sleep(ms(150)).await;
    client.get("/").await;
    assert_eq!(client.response().await.status, 200);
    assert_eq!(timed(client.rest()).await.0, "");
}

#[tokio::test]
async fn connection_at_its_maximum_age_closes_gracefully() {
    let server = Server::new(simple()).max_age(ms(300));
    let running = start(times(0, 1000), server).await;
    let mut busy = running.kept_alive().await;
    let mut idle = running.kept_alive().await;
    let mut responses = 0;
    loop {
        busy.get("/sleep/20").await;
        let response = busy.response().await;
        assert_eq!(response.status, 200);
        responses += 1;
        if response.closes() {
            break;
        }
    }
    assert!(responses > 3, "{responses}");
    assert_eq!(busy.rest().await, "");
    assert_eq!(idle.rest().await, "");
}

#[tokio::test]
async fn connection_beyond_the_limit_waits() {
    let server = Server::new(simple()).max_connections(1);
    let running = start(times(0, 1000), server).await;
    let first = running.kept_alive().await;
    let mut second = running.client().await;
    second.get("/").await;
    tokio::time::sleep(ms(100)).await;
    assert_eq!(running.handle.in_flight(), 2, "the listener and the first");
    drop(first);
    assert_eq!(second.response().await.status, 200);
}
