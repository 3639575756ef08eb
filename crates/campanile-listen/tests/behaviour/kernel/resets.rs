//! The kernel's count of resets while a listener with a full queue closes.

use std::net::SocketAddr;

use campanile_listen::{Bind, Listener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::isolation::{block_on, in_namespace, serve_all};
use crate::support::{connect, recorder, within};

const BACKLOG: u32 = 128;

/// Returns `OutRsts` of this network namespace.
fn resets() -> u64 {
    let table = std::fs::read_to_string("/proc/net/snmp").unwrap();
    let mut rows = table.lines().filter_map(|row| row.strip_prefix("Tcp: "));
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let at = names.split(' ').position(|name| name == "OutRsts").unwrap();
    values.split(' ').nth(at).unwrap().parse().unwrap()
}

/// Binds a listener and fills its queue with clients that have sent a request.
async fn full() -> (Listener, Vec<TcpStream>) {
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let bind = Bind::new(address).with_backlog(BACKLOG).with_recorder(recorder());
    let listener = bind.bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    let mut clients = Vec::new();
    // The kernel queues one more than the backlog.
    for _ in 0..=BACKLOG {
        let mut client = connect(address).await;
        client.write_u8(7).await.unwrap();
        clients.push(client);
    }
    (listener, clients)
}

#[test]
fn close_of_a_full_queue_sends_no_resets() {
    if !in_namespace("kernel::resets::close_of_a_full_queue_sends_no_resets") {
        return;
    }
    block_on(async {
        let (listener, clients) = full().await;
        let before = resets();
        let closed = tokio::spawn(serve_all(listener.close()));
        for mut client in clients {
            assert_eq!(within("a response", client.read_u8()).await.unwrap(), 8);
        }
        assert_eq!(closed.await.unwrap(), BACKLOG as usize + 1);
        assert_eq!(resets(), before);

        let (listener, clients) = full().await;
        drop(listener);
        for mut client in clients {
            within("the end", client.read_u8()).await.unwrap_err();
        }
        assert!(
            resets() > before,
            "a dropped listener must reset them, or the count proves nothing"
        );
    });
}
