//! `CountedIo` forwards reads and writes.

use std::io::{self, IoSlice};
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use campanile_listen::Connections;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

#[cfg(unix)]
use crate::support::connect;
use crate::support::recorder;

/// Records the calls and their numbers of buffers.
#[derive(Default)]
struct CallRecorder {
    vectored: bool,
    calls: Vec<(&'static str, usize)>,
}

impl AsyncWrite for CallRecorder {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.calls.push(("write", 1));
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.calls.push(("write_vectored", bufs.len()));
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calls.push(("flush", 0));
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calls.push(("shutdown", 0));
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn vectored_writes_flush_and_shutdown_are_forwarded() {
    let connections = Connections::new("here").with_recorder(recorder());
    for vectored in [false, true] {
        let mut io = connections.wrap(CallRecorder {
            vectored,
            ..CallRecorder::default()
        });
        assert_eq!(io.is_write_vectored(), vectored);
        let bufs = [
            IoSlice::new(b""),
            IoSlice::new(b"HTTP/1.1 200 OK\r\n\r\n"),
            IoSlice::new(b"body"),
        ];
        assert_eq!(io.write_vectored(&bufs).await.unwrap(), 23);
        assert_eq!(io.write(b"x").await.unwrap(), 1);
        io.flush().await.unwrap();
        io.shutdown().await.unwrap();
        let expected = [("write_vectored", 3), ("write", 1), ("flush", 0), ("shutdown", 0)];
        assert_eq!(io.get_ref().calls, expected);
    }
}

#[tokio::test]
async fn bytes_pass_unchanged_in_both_directions() {
    let connections = Connections::new("here").with_recorder(recorder());
    let (near, mut far) = tokio::io::duplex(64);
    let mut io = connections.wrap(near);
    io.write_all(b"to the client").await.unwrap();
    far.write_all(b"to the server").await.unwrap();
    let mut buf = [0; 13];
    far.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"to the client");
    io.read_exact(&mut buf).await.unwrap();
    assert_eq!(&buf, b"to the server");
}

#[cfg(unix)]
#[tokio::test]
async fn descriptor_is_accessible() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = connect(listener.local_addr().unwrap()).await;
    let number = client.as_raw_fd();
    let io = Connections::new("here").with_recorder(recorder()).wrap(client);
    assert_eq!([io.as_raw_fd(), io.as_fd().as_raw_fd()], [number; 2]);
}
