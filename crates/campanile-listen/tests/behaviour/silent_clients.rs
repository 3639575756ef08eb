//! Clients that are silent: keepalive, and room at the connection limit.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use campanile_listen::{Accepted, Bind, PeerAddress};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::support::{connect, within};

#[tokio::test]
async fn keepalive_is_set_if_requested() {
    let minute = Duration::from_secs(60);
    let bind = || Bind::new("127.0.0.1:0");
    for (mut listener, expected) in [
        (bind().bind().unwrap(), None),
        (bind().with_keepalive(minute).bind().unwrap(), Some(minute)),
        (bind().bind().unwrap().with_keepalive(minute), Some(minute)),
        (
            bind().with_keepalive(minute).bind().unwrap().with_keepalive(None),
            None,
        ),
        (
            bind().with_keepalive(Duration::from_millis(1)).bind().unwrap(),
            Some(Duration::from_secs(1)),
        ),
    ] {
        let _client = connect(listener.local_address().tcp().unwrap()).await;
        let accepted = within("a connection", listener.accept()).await;
        let stream = accepted.io.get_ref().as_tcp().unwrap();
        let socket = SockRef::from(stream);
        assert_eq!(socket.keepalive().unwrap(), expected.is_some());
        if let Some(idle) = expected {
            assert_eq!(socket.tcp_keepalive_time().unwrap(), idle);
            assert_eq!(
                socket.tcp_keepalive_interval().unwrap(),
                (idle / 4).max(Duration::from_secs(1))
            );
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
        }
    }
}

#[tokio::test]
async fn eviction_is_requested_only_while_a_client_waits_at_the_limit() {
    let open: Arc<Mutex<Vec<Accepted>>> = Arc::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let (evicted, counted) = (Arc::clone(&open), Arc::clone(&calls));
    let listener = Bind::new("127.0.0.1:0").with_connection_limit(2).bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    let mut listener = listener.with_eviction(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let mut open = evicted.lock().unwrap();
        if !open.is_empty() {
            open.remove(0);
        }
        true
    });
    let mut clients: Vec<TcpStream> = Vec::new();
    for _ in 0..2 {
        clients.push(connect(address).await);
        let accepted = within("a connection", listener.accept()).await;
        open.lock().unwrap().push(accepted);
    }
    let none = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(none.is_err());
    assert_eq!(calls.load(Ordering::Relaxed), 0, "no client waits");
    for round in 1..=3 {
        clients.push(connect(address).await);
        let accepted = within("a connection", listener.accept()).await;
        assert_eq!(calls.load(Ordering::Relaxed), round);
        open.lock().unwrap().push(accepted);
        assert_eq!(listener.connections().open(), 2);
    }
}

#[tokio::test]
async fn name_of_a_unix_client_is_escaped() {
    let peer = PeerAddress::Unix(Some("/tmp/a\nb\u{1b}[0m \u{202e}".into()));
    assert_eq!(peer.to_string(), "unix:/tmp/a\\nb\\u{1b}[0m \\u{202e}");
}
