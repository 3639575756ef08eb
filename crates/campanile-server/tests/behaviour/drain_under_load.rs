//! Graceful shutdown under load loses no request.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use campanile_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{ms, simple, start, times};

#[derive(Default)]
struct Tally {
    served: AtomicU64,
    lost: AtomicU64,
}

/// Sends requests until connecting fails, `each` of them per connection.
async fn send_requests(address: SocketAddr, each: usize, tally: Arc<Tally>) {
    'connections: while let Ok(mut io) = TcpStream::connect(address).await {
        for _ in 0..each {
            match exchange(&mut io).await {
                Ok(closes) => {
                    tally.served.fetch_add(1, Ordering::Relaxed);
                    if closes {
                        continue 'connections;
                    }
                }
                Err(_) => {
                    tally.lost.fetch_add(1, Ordering::Relaxed);
                    continue 'connections;
                }
            }
        }
    }
}

async fn exchange(io: &mut TcpStream) -> io::Result<bool> {
    io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\nok") {
        if io.read_buf(&mut response).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&response).to_lowercase();
    Ok(head.contains("\r\nconnection: close\r\n"))
}

async fn no_request_is_lost(drain_time: u64) {
    let running = start(times(drain_time, 10_000), Server::new(simple())).await;
    let tally = Arc::new(Tally::default());
    let clients: Vec<_> = (0..64)
        .map(|number| {
            let each = if number % 2 == 0 { 1 } else { usize::MAX };
            tokio::spawn(send_requests(running.address, each, Arc::clone(&tally)))
        })
        .collect();
    tokio::time::sleep(ms(300)).await;
    running.handle.drain();
    let report = running.stopped().await;
    for client in clients {
        client.await.unwrap();
    }
    assert!(!report.was_cut(), "{report:?}");
    let (served, lost) = (
        tally.served.load(Ordering::Relaxed),
        tally.lost.load(Ordering::Relaxed),
    );
    assert!(served > 100, "too few requests: {served}");
    assert_eq!(lost, 0, "of {served}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_without_a_drain_time_loses_no_request() {
    no_request_is_lost(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_with_a_drain_time_loses_no_request() {
    no_request_is_lost(500).await;
}
