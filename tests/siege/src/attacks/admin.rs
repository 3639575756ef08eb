//! Attacks on the admin port.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

use crate::{
    attacks::{Ending, end, response},
    targets::{Target, Targets},
};

/// How long a client does not read.
const UNREAD: Duration = Duration::from_secs(8);

pub(super) async fn unread_metrics(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack(target, false).await?;
    // Enough responses to fill all buffers.
    stream
        .write_all(&b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(50))
        .await?;
    stream.read_exact(&mut [0; 12]).await?;
    sleep(UNREAD).await;
    end(&mut stream).await
}

pub(super) async fn unread_live_page(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack(target, false).await?;
    stream
        .write_all(b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    sleep(UNREAD).await;
    Ok(format!("{}, then left", String::from_utf8_lossy(&status[9..])))
}

pub(super) async fn cross_site(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack(target, false).await?;
    let head = fastrand::choice([
        "POST /drain HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\nsec-fetch-site: cross-site\r\ncontent-length: 0\r\n\r\n",
        "POST /drain HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 0\r\n\r\n",
        "GET /requests HTTP/1.1\r\nhost: evil.example\r\n\r\n",
        "GET /requests HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\nsec-fetch-site: cross-site\r\n\r\n",
        "PUT /log-level HTTP/1.1\r\nhost: rebound.example\r\ncontent-length: 5\r\n\r\ntrace",
    ]);
    stream
        .write_all(head.expect("the list is not empty").as_bytes())
        .await?;
    response(&mut stream).await
}
