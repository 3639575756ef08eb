//! TLS: ALPN, failed handshakes, certificate reload and shutdown. The certificates are self-signed for `localhost` by
//! `openssl req -x509`, and valid for a hundred years; their keys protect nothing.

use std::path::PathBuf;
use std::sync::Arc;

use campanile_server::{Server, Tls};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::support::{Client, Running, lifecycle, ms, run, simple, times, within};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "certificates", name]
        .iter()
        .collect()
}

async fn start(server: Server<crate::support::Simple>, tls: Tls, stop: (u64, u64)) -> Running {
    let bound = server
        .bind_tls("127.0.0.1:0", tls)
        .lifecycle(lifecycle(times(stop.0, stop.1)))
        .try_bind()
        .unwrap();
    run(bound).await
}

fn first() -> Tls {
    Tls::from_pem_files(file("first.pem"), file("first.key")).unwrap()
}

/// Connects to a server that presents this certificate.
async fn connect(
    running: &Running,
    certificate: &str,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file(certificate)).unwrap())
        .unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let io = TcpStream::connect(running.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    within(
        "a handshake",
        TlsConnector::from(Arc::new(config)).connect(name, io),
    )
    .await
}

#[tokio::test]
async fn protocol_is_negotiated_by_alpn_or_identified_by_the_first_bytes() {
    let running = start(Server::new(simple()), first(), (0, 1000)).await;
    let stream = connect(&running, "first.pem", &[b"h2", b"http/1.1"])
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://localhost/").body(()).unwrap();
    let (response, _) = sender.send_request(request, true).unwrap();
    assert_eq!(within("a response", response).await.unwrap().status(), 200);
    for protocols in [&[&b"http/1.1"[..]][..], &[]] {
        let mut client = Client::new(connect(&running, "first.pem", protocols).await.unwrap());
        client.get("/").await;
        assert_eq!(client.response().await.body, "ok");
    }
}

#[tokio::test]
async fn shutdown_sends_close_notify_and_waits_for_handshakes() {
    let running = start(Server::new(simple()), first(), (0, 10_000)).await;
    let mut idle = Client::new(connect(&running, "first.pem", &[]).await.unwrap());
    idle.get("/").await;
    idle.response().await;
    // One client never starts its handshake, the other starts it late.
    let mut silent = running.client().await;
    running.in_flight(3).await;
    let late = TcpStream::connect(running.address).await.unwrap();
    running.in_flight(4).await;
    running.handle.drain();
    let began = std::time::Instant::now();
    running.handle.drain_elapsed().await;
    tokio::time::sleep(ms(100)).await;
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file("first.pem")).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let late = TlsConnector::from(Arc::new(config))
        .connect(name, late)
        .await
        .unwrap();
    let mut late = Client::new(late);
    late.get("/").await;
    assert_eq!(late.response().await.status, 200);
    // Without close_notify, rustls reports an unexpected end of file.
    assert_eq!(idle.rest().await, "");
    assert_eq!(late.rest().await, "");
    assert_eq!(silent.rest().await, "");
    let report = running.stopped().await;
    assert!(!report.was_cut(), "{report:?}");
    assert!(began.elapsed() < ms(4000), "{:?}", began.elapsed());
}

#[tokio::test]
async fn cut_connection_gets_close_notify() {
    let running = start(Server::new(simple()), first(), (0, 100)).await;
    let mut client = Client::new(connect(&running, "first.pem", &[]).await.unwrap());
    client.get("/sleep/60000").await;
    running.in_flight(2).await;
    tokio::time::sleep(ms(50)).await;
    running.handle.drain();
    assert_eq!(client.response().await.status, 503);
    assert_eq!(client.rest().await, "");
    assert_eq!(running.stopped().await.cut_requests(), 1);
}

#[tokio::test]
async fn failed_handshakes_are_counted_and_do_not_delay_others() {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::new(DebuggingRecorder::new()));
    let server = Server::new(simple())
        .recorder(recorder)
        .handshake_timeout(ms(300));
    let running = start(server, first(), (0, 1000)).await;
    let mut silent = running.client().await;
    let mut plain = running.client().await;
    plain.get("/").await;
    let _ = plain.io.read_to_end(&mut Vec::new()).await;
    connect(&running, "second.pem", &[]).await.unwrap_err();
    drop(running.client().await);
    let mut client = Client::new(connect(&running, "first.pem", &[]).await.unwrap());
    client.get("/").await;
    assert_eq!(client.response().await.status, 200);
    assert_eq!(silent.rest().await, "");

    running.handle.drain();
    running.stopped().await;
    let mut errors: Vec<(String, u64)> = recorder
        .snapshotter()
        .snapshot()
        .into_vec()
        .into_iter()
        .filter(|(key, ..)| key.key().name() == "http_server_tls_handshake_errors_total")
        .map(|(key, _, _, value)| {
            let error = key.key().labels().find(|label| label.key() == "error").unwrap();
            match value {
                DebugValue::Counter(count) => (error.value().to_owned(), count),
                other => panic!("{other:?}"),
            }
        })
        .collect();
    errors.sort();
    let expected = ["alert", "eof", "protocol", "timeout"].map(|error| (error.to_owned(), 1));
    assert_eq!(errors, expected);
}

#[tokio::test]
async fn certificates_are_reloaded_and_invalid_ones_are_not_used() {
    let directory = std::env::temp_dir().join(format!("campanile-server-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (certificate, key) = (directory.join("pem"), directory.join("key"));
    let install = |name: &str| {
        std::fs::copy(file(&format!("{name}.pem")), &certificate).unwrap();
        std::fs::copy(file(&format!("{name}.key")), &key).unwrap();
    };
    install("first");
    let tls = Tls::from_pem_files(&certificate, &key).unwrap();
    let running = start(Server::new(simple()), tls.clone(), (0, 1000)).await;
    connect(&running, "first.pem", &[]).await.unwrap();
    install("second");
    connect(&running, "first.pem", &[]).await.unwrap();
    tls.reload().unwrap();
    connect(&running, "second.pem", &[]).await.unwrap();
    connect(&running, "first.pem", &[]).await.unwrap_err();

    // A key that does not match, an empty file, and no file.
    std::fs::copy(file("first.key"), &key).unwrap();
    let error = tls.reload().unwrap_err();
    assert!(
        error.to_string().contains("cannot use the certificate"),
        "{error}"
    );
    std::fs::write(&certificate, "").unwrap();
    let error = tls.reload().unwrap_err();
    assert!(error.to_string().contains("pem"), "{error}");
    std::fs::remove_dir_all(&directory).unwrap();
    tls.reload().unwrap_err();
    connect(&running, "second.pem", &[]).await.unwrap();
}

#[tokio::test]
async fn idle_client_that_ignores_close_notify_is_closed() {
    let server = Server::new(simple()).idle_timeout(ms(300));
    let running = start(server, first(), (0, 20_000)).await;
    let http1 = connect(&running, "first.pem", &[b"http/1.1"]).await.unwrap();
    let mut http1 = Client::new(http1);
    http1.get("/").await;
    assert_eq!(http1.response().await.body, "ok");
    // Never reads: neither a GOAWAY nor a close_notify.
    let http2 = connect(&running, "first.pem", &[b"h2"]).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(http2).await.unwrap();
    let mut connection = Box::pin(connection);
    let request = http::Request::get("https://localhost/").body(()).unwrap();
    let (response, _) = sender.send_request(request, true).unwrap();
    tokio::select! {
        response = within("a response", response) => assert_eq!(response.unwrap().status(), 200),
        _ = &mut connection => panic!("ended before the response"),
    }
    running.in_flight(1).await;
    drop((http1, connection));
}
