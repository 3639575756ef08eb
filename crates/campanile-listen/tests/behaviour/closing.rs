//! The close of a listener, with clients in its queue.

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

/// Answers one request, if it can be called that: a byte for a byte.
pub(crate) async fn serve(mut accepted: Accepted) {
    let byte = accepted.io.read_u8().await.unwrap();
    accepted.io.write_u8(byte + 1).await.unwrap();
}

/// Serves what comes out of the close, each in a task of its own, and returns how many there were.
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

/// Sends the byte and awaits its answer.
pub(crate) async fn ask(mut client: impl AsyncRead + AsyncWrite + Unpin) {
    let asked = async {
        client.write_u8(7).await?;
        client.read_u8().await
    };
    assert_eq!(within("an answer", asked).await.unwrap(), 8);
}

/// A path of the test's own.
pub(crate) fn path() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("campanile-listen-{}-{number}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[tokio::test]
async fn whoever_waits_in_the_queue_is_served_and_the_next_is_refused() {
    const CLIENTS: usize = 500;
    let listener = Bind::new(any_port()).with_recorder(recorder()).bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(connect(address).await);
    }
    let asking: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(ask(client)))
        .collect();
    assert_eq!(serve_all(listener.close()).await, CLIENTS);
    for asked in asking {
        asked.await.unwrap();
    }
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn unix_queue_is_served_and_the_path_is_gone() {
    const CLIENTS: usize = 50;
    let path = path();
    let listener = Bind::new(path.as_path())
        .with_recorder(recorder())
        .bind()
        .unwrap();
    let mut asking = Vec::new();
    for _ in 0..CLIENTS {
        let client = UnixStream::connect(&path).await.unwrap();
        asking.push(tokio::spawn(ask(client)));
    }
    // Somebody who knows the file under another name.
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
    for asked in asking {
        asked.await.unwrap();
    }
    assert!(!path.exists());
}

#[tokio::test]
async fn file_that_has_taken_the_path_is_left_alone() {
    let path = path();
    let first = Listener::bind(path.as_path()).unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = Listener::bind(path.as_path()).unwrap();
    let mut closing = first.close();
    assert!(within("the end of the close", closing.accept()).await.is_none());
    let asked = tokio::spawn(ask(UnixStream::connect(&path).await.unwrap()));
    let mut second = second;
    serve(within("a client", second.accept()).await).await;
    asked.await.unwrap();
    drop(second);
    assert!(!path.exists(), "a listener that is dropped removes its own file");
}

#[tokio::test]
async fn limit_does_not_hold_in_the_close() {
    const CLIENTS: usize = 20;
    let seen = recorder();
    let bind = Bind::new(any_port()).with_recorder(seen).with_connection_limit(2);
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
        seen.value(&format!("http_server_open_connections{{listener={address}}}")),
        Some(0.0)
    );
}

#[tokio::test]
async fn shared_socket_is_let_go_and_never_deaf() {
    let listener = Bind::new(any_port()).with_recorder(recorder()).bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    // As a process does that was handed the socket.
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
        let asked = tokio::spawn(ask(client));
        serve(within("a client", listener.accept()).await).await;
        asked.await.unwrap();
    }
}

#[tokio::test]
async fn shared_unix_socket_keeps_its_file_and_its_queue() {
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
        let asked = tokio::spawn(ask(client));
        serve(within("a client", listener.accept()).await).await;
        asked.await.unwrap();
    }
}

#[tokio::test]
async fn file_of_a_socket_that_was_handed_over_stays() {
    let path = path();
    let old = Bind::new(path.as_path())
        .with_recorder(recorder())
        .bind()
        .unwrap();
    let handed_over = old.as_fd().try_clone_to_owned().unwrap();
    let mut new = Listener::from_fd(handed_over, Sharing::Shared).unwrap();
    let mut closing = old.with_sharing(Sharing::Shared).close();
    assert!(within("the end of the close", closing.accept()).await.is_none());
    let asked = tokio::spawn(ask(UnixStream::connect(&path).await.unwrap()));
    serve(within("a client", new.accept()).await).await;
    asked.await.unwrap();
    drop(new);
    assert!(path.exists(), "nobody has made it its own");
    std::fs::remove_file(path).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_connects_while_it_closes_is_served_or_refused() {
    const CLIENTS: usize = 8;
    for _ in 0..3 {
        let mut listener = Bind::new(any_port()).with_recorder(recorder()).bind().unwrap();
        let address = listener.local_address().tcp().unwrap();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(async move {
                let mut asked = 0;
                loop {
                    match within("a connection or a refusal", TcpStream::connect(address)).await {
                        Ok(client) => ask(client).await,
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                            return asked;
                        }
                    }
                    asked += 1;
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
async fn one_of_a_group_closes_under_load_and_nobody_is_reset() {
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
            let mut asked = 0;
            while !stop.load(Ordering::Relaxed) {
                ask(connect(address).await).await;
                asked += 1;
            }
            asked
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
    // Whoever met the filter comes again after a second.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stop.store(true, Ordering::Relaxed);
    let asked: usize = clients.join_all().await.into_iter().sum();
    assert_eq!(stays.await.unwrap() + left, asked);
}

#[tokio::test]
async fn accept_that_is_given_up_has_accepted_nobody() {
    const CLIENTS: usize = 200;
    let bind = Bind::new(any_port())
        .with_recorder(recorder())
        .with_connection_limit(CLIENTS);
    let mut listener = bind.bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    let asking = tokio::spawn(async move {
        let mut asking = JoinSet::new();
        for _ in 0..CLIENTS {
            let client = connect(address).await;
            asking.spawn(ask(client));
            tokio::task::yield_now().await;
        }
        asking.join_all().await.len()
    });
    let mut served = 0;
    let mut given_up = 0;
    let mut serving = JoinSet::new();
    // Half of them by accepts that are dropped after one poll, the rest by a close that is treated alike.
    while served < CLIENTS / 2 {
        match listener.accept().now_or_never() {
            Some(accepted) => {
                serving.spawn(serve(accepted));
                served += 1;
            }
            None => {
                given_up += 1;
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
                given_up += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    assert_eq!(served, CLIENTS);
    assert!(given_up > 1, "nothing was given up");
    assert_eq!(within("all to be answered", asking).await.unwrap(), CLIENTS);
}

#[tokio::test]
async fn place_of_an_accept_that_is_given_up_is_free() {
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
