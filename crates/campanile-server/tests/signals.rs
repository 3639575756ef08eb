//! Signals. They reach the whole process, so these tests have one of their own and run one at a time.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use campanile_lifecycle::{Lifecycle, Phase, ShutdownConfig, StopReason};
use campanile_server::{Server, Tls};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use rustix::process::{Signal, getpid, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Held by the running test.
static SIGNALS: Mutex<()> = Mutex::const_new(());

#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "certificates", name]
        .iter()
        .collect()
}

/// Returns whether the server presents this certificate.
async fn presents(address: std::net::SocketAddr, certificate: &str) -> bool {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file(certificate)).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let io = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, io)
        .await
        .is_ok()
}

/// Copies a certificate and its key to where the server loads them.
fn install(directory: &Path, name: &str) {
    for kind in ["pem", "key"] {
        std::fs::copy(file(&format!("{name}.{kind}")), directory.join(kind)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hup_reloads_certificates_and_each_term_advances_the_shutdown() {
    let _alone = SIGNALS.lock().await;
    let directory = std::env::temp_dir().join(format!("campanile-server-hup-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    install(&directory, "first");
    let tls = Tls::from_pem_files(directory.join("pem"), directory.join("key")).unwrap();
    let service = tower::service_fn(async |_: Request<Incoming>| {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let bound = Server::new(service)
        .bind("127.0.0.1:0")
        .bind_tls("127.0.0.1:0", tls)
        .drain_time(Duration::from_secs(60))
        .stop_timeout(Duration::from_secs(60))
        .try_bind()
        .unwrap();
    let addresses: Vec<_> = bound.addresses().map(|address| address.tcp().unwrap()).collect();
    let handle = bound.handle();
    let running = tokio::spawn(bound.run());
    handle.ready().await;
    assert!(presents(addresses[1], "first.pem").await);
    install(&directory, "second");
    kill_process(getpid(), Signal::HUP).unwrap();
    let began = Instant::now();
    while !presents(addresses[1], "second.pem").await {
        assert!(began.elapsed() < Duration::from_secs(30), "not reloaded");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A half-written file is refused.
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .init();
    std::fs::write(directory.join("pem"), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    kill_process(getpid(), Signal::HUP).unwrap();
    let began = Instant::now();
    while !log
        .text()
        .contains("failed to reload certificate; keeping the old one")
    {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", log.text());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(log.text().contains(" ERROR "), "{}", log.text());
    assert!(presents(addresses[1], "second.pem").await);
    // The next one that is valid is used.
    install(&directory, "first");
    kill_process(getpid(), Signal::HUP).unwrap();
    let began = Instant::now();
    while !presents(addresses[1], "first.pem").await {
        assert!(began.elapsed() < Duration::from_secs(30), "not reloaded");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    std::fs::remove_dir_all(&directory).unwrap();

    // A request that never ends.
    let mut client = TcpStream::connect(addresses[0]).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let term = || kill_process(getpid(), Signal::TERM).unwrap();
    let timeout = Duration::from_secs(30);
    term();
    tokio::time::timeout(timeout, handle.draining())
        .await
        .expect("the first TERM begins the drain");
    assert_eq!(handle.phase(), Phase::Draining);
    term();
    tokio::time::timeout(timeout, handle.drain_elapsed())
        .await
        .expect("the second TERM ends the drain time");
    term();
    let report = tokio::time::timeout(timeout, running)
        .await
        .expect("the third TERM cuts")
        .unwrap();
    assert_eq!(report.reason(), StopReason::Signal("SIGTERM"));
    assert!(report.was_cut());
}

/// The state of the service when TERM arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    /// Bound, and loading before it runs.
    Bound,
    /// Running, with a latch held.
    Latched,
}

async fn stops_without_drain_time(start: Start) {
    let hour = Duration::from_secs(3600);
    let settings = ShutdownConfig::new()
        .with_drain_time(hour)
        .with_stop_timeout(hour);
    let mut lifecycle = Lifecycle::new(settings).unwrap();
    lifecycle.install_signals().unwrap();
    let latch = lifecycle.latch("cache");
    let service = tower::service_fn(async |_: Request<Incoming>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let bound = Server::new(service)
        .bind("127.0.0.1:0")
        .lifecycle(lifecycle)
        .try_bind()
        .unwrap();
    let address = bound.addresses().next().unwrap().tcp().unwrap();
    let handle = bound.handle();
    // Connects before the service is ready: waits in the accept queue, or is served.
    let mut early = TcpStream::connect(address).await.unwrap();
    early
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let term = || kill_process(getpid(), Signal::TERM).unwrap();
    let running = match start {
        Start::Bound => {
            term();
            // Start-up work that ignores signals.
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(handle.phase(), Phase::Draining);
            tokio::spawn(bound.run())
        }
        Start::Latched => {
            let running = tokio::spawn(bound.run());
            early.readable().await.unwrap();
            assert_eq!(handle.phase(), Phase::Starting);
            term();
            running
        }
    };
    let began = Instant::now();
    let report = tokio::time::timeout(Duration::from_secs(30), running)
        .await
        .expect("neither the drain time nor the latch delays the shutdown")
        .unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{start:?}: {took:?}");
    assert_eq!(report.reason(), StopReason::Signal("SIGTERM"));
    assert!(!report.was_cut());
    assert_eq!(report.exit_code(), ExitCode::SUCCESS);
    let mut response = String::new();
    early.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{start:?}: {response}");
    assert!(TcpStream::connect(address).await.is_err());
    // Held until here.
    drop(latch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn term_during_a_slow_start_stops_at_once() {
    let _alone = SIGNALS.lock().await;
    stops_without_drain_time(Start::Bound).await;
    stops_without_drain_time(Start::Latched).await;
}
