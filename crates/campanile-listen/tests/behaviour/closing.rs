//! The close of a listener, with clients in its queue.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use campanile_listen::{Accepted, Bind, Closing, ListenAddress, Listener, Sharing};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

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
    let mut served = tokio::task::JoinSet::new();
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
