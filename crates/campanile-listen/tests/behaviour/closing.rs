//! Closing listeners whose accept queue holds clients.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use campanile_listen::{Accepted, Bind, Closing, Listener, Sharing};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use crate::support::{connect, recorder, within};

pub(crate) fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Serves one exchange: reads a byte, writes its successor.
pub(crate) async fn serve(mut accepted: Accepted) {
    let byte = accepted.io.read_u8().await.unwrap();
    accepted.io.write_u8(byte + 1).await.unwrap();
}

/// Serves the connections of a close concurrently, and returns their number.
pub(crate) async fn serve_all(mut closing: Closing) -> usize {
    let mut served = JoinSet::new();
    while let Some(accepted) = within("the end of the close", closing.accept()).await {
        served.spawn(serve(accepted));
    }
    let count = served.len();
    while let Some(result) = served.join_next().await {
        result.unwrap();
    }
    count
}

/// Sends a byte and checks the response.
pub(crate) async fn exchange(mut client: impl AsyncRead + AsyncWrite + Unpin) {
    let response = async {
        client.write_u8(7).await?;
        client.read_u8().await
    };
    assert_eq!(within("a response", response).await.unwrap(), 8);
}

/// Returns an unused path.
pub(crate) fn path() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("campanile-listen-{}-{number}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[tokio::test]
async fn queued_clients_are_served_and_new_ones_are_refused() {
    const CLIENTS: usize = 500;
    let listener = Bind::new(any_port()).with_recorder(recorder()).bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(connect(address).await);
    }
    let exchanges: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(exchange(client)))
        .collect();
    assert_eq!(serve_all(listener.close()).await, CLIENTS);
    for exchange in exchanges {
        exchange.await.unwrap();
    }
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn queued_unix_clients_are_served_and_the_file_is_removed() {
    const CLIENTS: usize = 50;
    let path = path();
    let listener = Bind::new(path.as_path())
        .with_recorder(recorder())
        .bind()
        .unwrap();
    let mut exchanges = Vec::new();
    for _ in 0..CLIENTS {
        let client = UnixStream::connect(&path).await.unwrap();
        exchanges.push(tokio::spawn(exchange(client)));
    }
    // A client that connects by another name of the file.
    let other_name = path.with_extension("link");
    std::fs::hard_link(&path, &other_name).unwrap();
    let closing = listener.close();
    let refused = UnixStream::connect(&other_name).await.unwrap_err();
    assert_eq!(
        refused.kind(),
        ErrorKind::ConnectionRefused,
        "before the queue is empty"
    );
    std::fs::remove_file(other_name).unwrap();
    assert_eq!(serve_all(closing).await, CLIENTS);
    for exchange in exchanges {
        exchange.await.unwrap();
    }
    assert!(!path.exists());
}

#[tokio::test]
async fn file_that_replaced_the_socket_is_kept() {
    let path = path();
    let first = Listener::bind(path.as_path()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = Listener::bind(path.as_path()).unwrap();
    let mut closing = first.close();
    assert!(within("the end of the close", closing.accept()).await.is_none());
    let exchange = tokio::spawn(exchange(UnixStream::connect(&path).await.unwrap()));
    let mut second = second;
    serve(within("a client", second.accept()).await).await;
    exchange.await.unwrap();
    drop(second);
    assert!(!path.exists(), "a dropped listener removes its own file");
}

#[tokio::test]
async fn limit_is_lifted_while_closing() {
    const CLIENTS: usize = 20;
    let metrics = recorder();
    let bind = Bind::new(any_port())
        .with_recorder(metrics)
        .with_connection_limit(2);
    let mut listener = bind.bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(connect(address).await);
    }
    let mut open = vec![listener.accept().await, listener.accept().await];
    assert!(
        listener.accept().now_or_never().is_none(),
        "a third under a limit of 2"
    );
    let connections = listener.connections().clone();
    let mut closing = listener.close();
    while let Some(accepted) = within("the end of the close", closing.accept()).await {
        open.push(accepted);
    }
    assert_eq!((open.len(), connections.open()), (CLIENTS, CLIENTS));
    drop(open);
    assert_eq!(
        metrics.value(&format!("http_server_open_connections{{listener={address}}}")),
        Some(0.0)
    );
}

#[tokio::test]
async fn shared_socket_stays_open_to_clients() {
    let listener = Bind::new(any_port()).with_recorder(recorder()).bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    // Like a process that inherited the socket.
    let inherited = listener.as_fd().try_clone_to_owned().unwrap();
    let inherited = Listener::from_fd(inherited, Sharing::Shared).unwrap();
    assert_eq!(inherited.sharing(), Sharing::Shared);
    let waiting = connect(address).await;
    let mut closing = inherited.close();
    assert!(closing.socket().is_none());
    assert!(within("the end of the close", closing.accept()).await.is_none());
    let next = connect(address).await;
    let mut listener = listener;
    for client in [waiting, next] {
        let exchange = tokio::spawn(exchange(client));
        serve(within("a client", listener.accept()).await).await;
        exchange.await.unwrap();
    }
}

#[tokio::test]
async fn shared_unix_socket_keeps_its_file_and_queue() {
    let path = path();
    let mut listener = Bind::new(path.as_path())
        .with_recorder(recorder())
        .bind()
        .unwrap();
    let inherited = listener.as_fd().try_clone_to_owned().unwrap();
    let waiting = UnixStream::connect(&path).await.unwrap();
    let mut closing = Listener::from_fd(inherited, Sharing::Shared).unwrap().close();
    assert!(within("the end of the close", closing.accept()).await.is_none());
    let next = UnixStream::connect(&path).await.unwrap();
    for client in [waiting, next] {
        let exchange = tokio::spawn(exchange(client));
        serve(within("a client", listener.accept()).await).await;
        exchange.await.unwrap();
    }
}

#[tokio::test]
async fn file_of_a_handed_over_socket_is_kept() {
    let path = path();
    let old = Bind::new(path.as_path())
        .with_recorder(recorder())
        .bind()
        .unwrap();
    let handed_over = old.as_fd().try_clone_to_owned().unwrap();
    let mut new = Listener::from_fd(handed_over, Sharing::Shared).unwrap();
    let mut closing = old.with_sharing(Sharing::Shared).close();
    assert!(within("the end of the close", closing.accept()).await.is_none());
    let exchange = tokio::spawn(exchange(UnixStream::connect(&path).await.unwrap()));
    serve(within("a client", new.accept()).await).await;
    exchange.await.unwrap();
    drop(new);
    assert!(path.exists(), "the listener did not create it");
    std::fs::remove_file(path).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_connecting_while_it_closes_are_served_or_refused() {
    const CLIENTS: usize = 8;
    for _ in 0..3 {
        let mut listener = Bind::new(any_port()).with_recorder(recorder()).bind().unwrap();
        let address = listener.local_address().tcp().unwrap();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(async move {
                let mut count = 0;
                loop {
                    match within("a connection or a refusal", TcpStream::connect(address)).await {
                        Ok(client) => exchange(client).await,
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                            return count;
                        }
                    }
                    count += 1;
                }
            });
        }
        let mut served = 0;
        while served < 100 {
            tokio::spawn(serve(within("a client", listener.accept()).await));
            served += 1;
        }
        served += serve_all(listener.close()).await;
        assert_eq!(clients.join_all().await.into_iter().sum::<usize>(), served);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_of_a_reuse_port_group_closes_under_load_without_resets() {
    const CLIENTS: usize = 4;
    let bind = |address: SocketAddr| Bind::new(address).with_reuse_port(true).with_recorder(recorder());
    let staying = bind(any_port()).bind().unwrap();
    let address = staying.local_address().tcp().unwrap();
    let mut leaving = bind(address).bind().unwrap();
    let stop = Arc::new(AtomicBool::new(false));

    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let stop = Arc::clone(&stop);
        clients.spawn(async move {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                exchange(connect(address).await).await;
                count += 1;
            }
            count
        });
    }
    let mut staying = staying;
    let stays = tokio::spawn(async move {
        let mut served = 0;
        loop {
            match tokio::time::timeout(Duration::from_secs(3), staying.accept()).await {
                Ok(accepted) => {
                    tokio::spawn(serve(accepted));
                    served += 1;
                }
                Err(_) => return served,
            }
        }
    });
    let mut left = 0;
    while left < 200 {
        tokio::spawn(serve(within("a client", leaving.accept()).await));
        left += 1;
    }
    left += serve_all(leaving.close()).await;
    // Clients whose SYN was dropped retry after a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stop.store(true, Ordering::Relaxed);
    let sent: usize = clients.join_all().await.into_iter().sum();
    assert_eq!(stays.await.unwrap() + left, sent);
}

#[tokio::test]
async fn cancelled_accept_loses_no_connection() {
    const CLIENTS: usize = 200;
    let bind = Bind::new(any_port())
        .with_recorder(recorder())
        .with_connection_limit(CLIENTS);
    let mut listener = bind.bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    let requests = tokio::spawn(async move {
        let mut exchanges = JoinSet::new();
        for _ in 0..CLIENTS {
            let client = connect(address).await;
            exchanges.spawn(exchange(client));
            tokio::task::yield_now().await;
        }
        exchanges.join_all().await.len()
    });
    let mut served = 0;
    let mut cancelled = 0;
    let mut serving = JoinSet::new();
    // Half of them are accepted by futures polled once, the rest by a close polled the same way.
    while served < CLIENTS / 2 {
        match listener.accept().now_or_never() {
            Some(accepted) => {
                serving.spawn(serve(accepted));
                served += 1;
            }
            None => {
                cancelled += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    assert_eq!(listener.connections().limit(), Some(CLIENTS));
    while served + crate::limit::kernel_queue(address).unwrap() < CLIENTS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut closing = listener.close();
    loop {
        match closing.accept().now_or_never() {
            Some(Some(accepted)) => {
                serving.spawn(serve(accepted));
                served += 1;
            }
            Some(None) => break,
            None => {
                cancelled += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    assert_eq!(served, CLIENTS);
    assert!(cancelled > 1, "no accept was cancelled");
    assert_eq!(within("all responses", requests).await.unwrap(), CLIENTS);
}

#[tokio::test]
async fn cancelled_accept_releases_its_permit() {
    let bind = Bind::new(any_port())
        .with_recorder(recorder())
        .with_connection_limit(1);
    let mut listener = bind.bind().unwrap();
    assert!(listener.accept().now_or_never().is_none());
    let connections = listener.connections().clone();
    assert!(connections.ready().now_or_never().is_some());
}

#[tokio::test]
async fn closed_socket_stays_closed() {
    let mut closing = Bind::new(any_port())
        .with_recorder(recorder())
        .bind()
        .unwrap()
        .close();
    assert!(closing.socket().is_some());
    for _ in 0..3 {
        assert!(within("the end of the close", closing.accept()).await.is_none());
        assert!(closing.socket().is_none());
    }
}
