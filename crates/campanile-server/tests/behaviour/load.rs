//! A stop under load loses nobody.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use campanile_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{ms, simple, start, times};

#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    lost: AtomicU64,
}

/// Asks until nobody listens any more; on each connection `each` times.
async fn ask(address: SocketAddr, each: usize, seen: Arc<Seen>) {
    'connections: while let Ok(mut io) = TcpStream::connect(address).await {
        for _ in 0..each {
            match exchange(&mut io).await {
                Ok(closes) => {
                    seen.answered.fetch_add(1, Ordering::Relaxed);
                    if closes {
                        continue 'connections;
                    }
                }
                Err(_) => {
                    seen.lost.fetch_add(1, Ordering::Relaxed);
                    continue 'connections;
                }
            }
        }
    }
}

async fn exchange(io: &mut TcpStream) -> io::Result<bool> {
    io.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        if io.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    Ok(head.contains("\r\nconnection: close\r\n"))
}

async fn nobody_is_lost(drain_time: u64) {
    let running = start(times(drain_time, 10_000), Server::new(simple())).await;
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> = (0..64)
        .map(|number| {
            let each = if number % 2 == 0 { 1 } else { usize::MAX };
            tokio::spawn(ask(running.address, each, Arc::clone(&seen)))
        })
        .collect();
    tokio::time::sleep(ms(300)).await;
    running.handle.drain();
    let report = running.stopped().await;
    for client in clients {
        client.await.unwrap();
    }
    assert!(!report.was_cut(), "{report:?}");
    let (answered, lost) = (
        seen.answered.load(Ordering::Relaxed),
        seen.lost.load(Ordering::Relaxed),
    );
    assert!(answered > 100, "too few to tell: {answered}");
    assert_eq!(lost, 0, "of {answered}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_nobody_even_without_a_drain_time() {
    nobody_is_lost(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_loses_nobody_over_its_drain_time() {
    nobody_is_lost(500).await;
}
