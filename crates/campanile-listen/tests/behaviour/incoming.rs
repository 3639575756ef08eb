//! `CountedIncoming` without a server.

use std::io;

use campanile_listen::Connections;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::io::DuplexStream;

use crate::support::{recorder, within};

#[cfg(unix)]
#[tokio::test]
async fn accept_errors_are_counted_by_errno_name_and_passed_on() {
    let metrics = recorder();
    let connections = Connections::new("here").with_recorder(metrics).with_limit(1);
    let accepted = [
        Err(io::Error::from_raw_os_error(libc::EMFILE)),
        Err(io::Error::from_raw_os_error(libc::EMFILE)),
        Err(io::Error::from_raw_os_error(99_999)),
        Err(io::Error::from(io::ErrorKind::TimedOut)),
        Ok(tokio::io::duplex(64).0),
    ];
    let mut incoming = connections.count_incoming(stream::iter(accepted));
    let mut errors = Vec::new();
    let io = loop {
        match within("the next of the stream", incoming.next()).await.unwrap() {
            Ok(io) => break io,
            Err(error) => errors.push(error.raw_os_error()),
        }
    };
    assert_eq!(
        errors,
        [Some(libc::EMFILE), Some(libc::EMFILE), Some(99_999), None]
    );
    let count = |error: &str| {
        metrics.value(&format!(
            "http_server_accept_errors_total{{error={error},listener=here}}"
        ))
    };
    assert_eq!(
        [count("EMFILE"), count("other"), count("ENFILE")],
        [Some(2.0), Some(2.0), None]
    );
    assert_eq!(connections.open(), 1, "errors hold no permit of the limit of 1");
    drop(io);
    assert!(within("the end of the stream", incoming.next()).await.is_none());
}

#[tokio::test]
async fn inner_stream_is_not_polled_at_the_limit() {
    let connections = Connections::new("here").with_recorder(recorder()).with_limit(1);
    let polled = std::sync::atomic::AtomicUsize::new(0);
    let endless = stream::repeat_with(|| {
        polled.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok::<DuplexStream, io::Error>(tokio::io::duplex(64).0)
    });
    let mut incoming = connections.count_incoming(endless);
    let first = incoming.next().await.unwrap().unwrap();
    assert!(
        incoming.next().now_or_never().is_none(),
        "a second connection under a limit of 1"
    );
    assert_eq!(polled.load(std::sync::atomic::Ordering::Relaxed), 1);
    drop(first);
    let _second = within("the next connection", incoming.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(connections.open(), 1);
}
