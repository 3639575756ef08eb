//! Signals are the process's: one test at a time, and no others in this process.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::convert::Infallible;
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

/// Held by the test that sends and catches.
static SIGNALS: Mutex<()> = Mutex::const_new(());

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "certificates", name]
        .iter()
        .collect()
}

async fn shows(address: std::net::SocketAddr, certificate: &str) -> bool {
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

fn put(directory: &Path, name: &str) {
    for kind in ["pem", "key"] {
        std::fs::copy(file(&format!("{name}.{kind}")), directory.join(kind)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hup_loads_certificates_and_each_term_makes_more_haste() {
    let _alone = SIGNALS.lock().await;
    let directory = std::env::temp_dir().join(format!("campanile-server-hup-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    put(&directory, "first");
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
        .bound()
        .unwrap();
    let addresses: Vec<_> = bound.addresses().map(|address| address.tcp().unwrap()).collect();
    let handle = bound.handle();
    let running = tokio::spawn(bound.run());
    handle.ready().await;
    assert!(shows(addresses[1], "first.pem").await);
    put(&directory, "second");
    kill_process(getpid(), Signal::HUP).unwrap();
    let began = Instant::now();
    while !shows(addresses[1], "second.pem").await {
        assert!(began.elapsed() < Duration::from_secs(30), "HUP loads nothing");
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
    let patience = Duration::from_secs(30);
    term();
    tokio::time::timeout(patience, handle.draining())
        .await
        .expect("the first begins the drain");
    assert_eq!(handle.phase(), Phase::Draining);
    term();
    tokio::time::timeout(patience, handle.drain_elapsed())
        .await
        .expect("the second ends its time");
    term();
    let report = tokio::time::timeout(patience, running)
        .await
        .expect("the third cuts")
        .unwrap();
    assert_eq!(report.reason(), StopReason::Signal("SIGTERM"));
    assert!(report.was_cut());
}

/// What a service is doing when TERM comes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    /// It has bound, and loads what it needs before it runs.
    Bound,
    /// It runs, and holds a latch.
    Held,
}

async fn ends_without_drain_time(start: Start) {
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
        .bound()
        .unwrap();
    let address = bound.addresses().next().unwrap().tcp().unwrap();
    let handle = bound.handle();
    // Nobody should come before it is ready; who does all the same is in the queue, or served.
    let mut early = TcpStream::connect(address).await.unwrap();
    early
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let term = || kill_process(getpid(), Signal::TERM).unwrap();
    let running = match start {
        Start::Bound => {
            term();
            // Whatever is loaded here takes a while, and knows nothing of signals.
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(handle.phase(), Phase::Starting);
            tokio::spawn(bound.run())
        }
        Start::Held => {
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
        .expect("it has no drain time, and waits for no latch")
        .unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{start:?}: {took:?}");
    assert_eq!(report.reason(), StopReason::Signal("SIGTERM"));
    assert!(!report.was_cut());
    assert_eq!(report.exit_code(), ExitCode::SUCCESS);
    let mut answer = String::new();
    early.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{start:?}: {answer}");
    assert!(TcpStream::connect(address).await.is_err());
    // Given up only now: nobody waited for it.
    drop(latch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn term_in_a_slow_start_ends_it_at_once() {
    let _alone = SIGNALS.lock().await;
    ends_without_drain_time(Start::Bound).await;
    ends_without_drain_time(Start::Held).await;
}
