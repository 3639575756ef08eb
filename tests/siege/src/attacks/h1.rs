//! Attacks by HTTP/1, and by no protocol at all.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};

use crate::{
    attacks::{Ending, end, ended, response},
    serve::MAX_HEAD_BYTES,
    targets::{Target, Targets},
};

const SECOND: Duration = Duration::from_secs(1);

/// The bodies that a slow reader requests.
const BIG_BYTES: usize = 8 << 20;

/// Heads that a server must refuse.
const INVALID: &[&str] = &[
    "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a/b@c\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
    "GET / HTTP/9.9\r\nhost: a\r\n\r\n",
    "G\0T / HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
    "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "POST /upload HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\nx y: z\r\n\r\n",
    "\r\n\r\n\0\0\0\0\0\0\0\0\0\0\r\n\r\n",
];

pub(super) async fn silent(targets: &Targets, target: Target) -> Ending {
    // By TLS the handshake is complete.
    end(&mut targets.attack(target, false).await?).await
}

pub(super) async fn slow_head(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack(target, false).await?;
    for byte in b"GET / HTTP/1.1\r\nhost: a\r\nx: "
        .iter()
        .chain(std::iter::repeat(&b'y'))
    {
        stream.write_all(&[*byte]).await?;
        if let Ok(ending) = timeout(SECOND, response(&mut stream)).await {
            return ending;
        }
    }
    unreachable!("the head is endless")
}

pub(super) async fn large_head(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack(target, false).await?;
    let field = "y".repeat(MAX_HEAD_BYTES * 5);
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {field}\r\n\r\n");
    // The server may respond before it has read all.
    let _ = stream.write_all(head.as_bytes()).await;
    response(&mut stream).await
}

pub(super) async fn invalid_head(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack(target, false).await?;
    let head = INVALID[fastrand::usize(..INVALID.len())];
    stream.write_all(head.as_bytes()).await?;
    response(&mut stream).await
}

pub(super) async fn stalled_upload(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack(target, false).await?;
    let head = "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nten bytes.";
    stream.write_all(head.as_bytes()).await?;
    response(&mut stream).await
}

pub(super) async fn aborted_upload(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack(target, false).await?;
    let head = "POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&vec![b'x'; fastrand::usize(..90_000)]).await?;
    Ok("aborted".to_owned())
}

/// Reads a byte per second for some time, then all that is left, which shows whether the server had closed the connection.
pub(super) async fn slow_reader(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack(target, false).await?;
    // More than all buffers between server and client.
    stream
        .write_all(&b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n".repeat(8))
        .await?;
    for _ in 0..9 {
        if stream.read(&mut [0]).await? == 0 {
            return Ok("closed".to_owned());
        }
        sleep(SECOND).await;
    }
    let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0);
    while bytes < BIG_BYTES {
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => bytes += read,
            Ok(_) => return Ok("closed by then".to_owned()),
            Err(error) => return Ok(format!("{} by then", ended(&error))),
        }
    }
    Ok("sent all".to_owned())
}

pub(super) async fn vanish(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack(target, false).await?;
    let path = fastrand::choice(["/big", "/slow", "/sse", "/never"]).expect("the list is not empty");
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes())
        .await?;
    let some = timeout(Duration::from_millis(100), stream.read(&mut [0; 64])).await;
    Ok(match some {
        Ok(Ok(1..)) => "vanished in the response".to_owned(),
        Ok(_) => "closed".to_owned(),
        Err(_) => "vanished before the response".to_owned(),
    })
}

pub(super) async fn connect_and_close(targets: &Targets, target: Target) -> Ending {
    if target == Target::Unix {
        drop(targets.connect(target, false).await?);
    } else {
        drop(targets.attack_raw(target).await?);
    }
    Ok("gone".to_owned())
}

pub(super) async fn invented_names(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack(target, false).await?;
    let (path, id, method) = (fastrand::u64(..), fastrand::u64(..), fastrand::u32(..));
    let head = format!(
        "M{method} /{path} HTTP/1.1\r\nhost: h{path}\r\nx-request-id: {id}\r\ntraceparent: 00-{id:032x}-{path:016x}-01\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    response(&mut stream).await
}
