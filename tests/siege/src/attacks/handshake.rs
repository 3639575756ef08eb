//! Attacks on the identification of protocols, on TLS handshakes and on names of clients.

use tokio::io::AsyncWriteExt;

use crate::{
    attacks::{Ending, end, response},
    targets::{Target, Targets},
};

/// The head of a TLS record with a ClientHello of 512 bytes, and its start.
const CLIENT_HELLO: &[u8] =
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03siege siege siege siege siege siege";

pub(super) async fn tls_to_plain(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack_raw(target).await?;
    stream.write_all(CLIENT_HELLO).await?;
    stream.write_all(&[0; 480]).await?;
    response(&mut stream).await
}

pub(super) async fn plain_to_tls(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack_raw(target).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    end(&mut stream).await
}

pub(super) async fn half_handshake(targets: &Targets, target: Target) -> Ending {
    let mut stream = targets.attack_raw(target).await?;
    let sent = fastrand::usize(1..CLIENT_HELLO.len());
    stream.write_all(&CLIENT_HELLO[..sent]).await?;
    end(&mut stream).await
}

pub(super) async fn odd_name(targets: &Targets, _: Target) -> Ending {
    let unique = fastrand::u32(..);
    let name = fastrand::choice([
        format!("odd\n{unique}\r\nERROR forged"),
        format!("odd\"{unique}\" }} 1"),
        format!("odd\x1b[31m{unique}\u{202e}"),
    ])
    .expect("the list is not empty");
    let mut stream = targets.attack_named(name.as_bytes()).await?;
    let head = fastrand::choice(["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "nonsense\r\n\r\n"]);
    stream
        .write_all(head.expect("the list is not empty").as_bytes())
        .await?;
    response(&mut stream).await
}
