//! A process that is frozen for longer than its timeouts, and then continues: what clients sent and took in the meantime
//! counts.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(clippy::print_stdout, reason = "the child prints its addresses")]

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campanile_server::{Server, Tls};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

const CHILD: &str = "CAMPANILE_SERVER_FREEZE_CHILD";
/// Each timeout of the child, and how long it is frozen.
const TIMEOUT: Duration = Duration::from_millis(1500);
const FREEZE: Duration = Duration::from_millis(4500);
/// More than all buffers hold.
const LARGE: usize = 16 << 20;

fn certificate(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "certificates", name]
        .iter()
        .collect()
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.uri().path() {
        "/large" => Full::from(vec![b'x'; LARGE]),
        _ => Full::from("ok"),
    };
    Ok(Response::new(body))
}

/// The child process, which serves until it is killed.
#[test]
#[ignore = "run as a child by the others"]
fn service() {
    let Ok(workers) = std::env::var(CHILD) else { return };
    let mut builder = match workers.as_str() {
        "0" => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if let Ok(workers @ 1..) = workers.parse() {
        builder.worker_threads(workers);
    }
    builder.enable_all().build().unwrap().block_on(async {
        let tls = Tls::from_pem_files(certificate("first.pem"), certificate("first.key")).unwrap();
        let bound = Server::new(tower::service_fn(respond))
            .bind("127.0.0.1:0")
            .bind_tls("127.0.0.1:0", tls)
            .sniff_timeout(TIMEOUT)
            .header_read_timeout(TIMEOUT)
            .handshake_timeout(TIMEOUT)
            .idle_timeout(TIMEOUT)
            .max_age(TIMEOUT * 4)
            .try_bind()
            .unwrap();
        let addresses: Vec<_> = bound.addresses().map(|address| address.tcp().unwrap()).collect();
        println!("\nserving {} {}", addresses[0], addresses[1]);
        bound.run().await;
    });
}

struct Service {
    child: Child,
    plain: SocketAddr,
    tls: SocketAddr,
}

impl Service {
    fn start(workers: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "service", "--ignored", "--nocapture"])
            .env(CHILD, workers)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .map_while(Result::ok)
            .find(|line| line.starts_with("serving "))
            .unwrap();
        let mut addresses = line.split(' ').skip(1).map(|address| address.parse().unwrap());
        Self {
            child,
            plain: addresses.next().unwrap(),
            tls: addresses.next().unwrap(),
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    async fn connect(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        socket.connect(self.plain).await.unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(output) = timeout(Duration::from_secs(30), future).await else {
        panic!("no {what}");
    };
    output
}

/// Reads a small response.
async fn small_response(what: &str, io: &mut (impl AsyncRead + Unpin)) {
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\nok") {
        let read = within(what, io.read_buf(&mut response)).await;
        let seen = String::from_utf8_lossy(&response);
        assert!(matches!(read, Ok(1..)), "{what}: {read:?} after {seen:?}");
    }
}

/// Reads at least `bytes`.
async fn take(what: &str, io: &mut (impl AsyncRead + Unpin), bytes: usize) -> usize {
    let mut buffer = vec![0; 1 << 20];
    let mut taken = 0;
    while taken < bytes {
        match within(what, io.read(&mut buffer)).await {
            Ok(read @ 1..) => taken += read,
            ended => panic!("{what}: {ended:?} after {taken} bytes"),
        }
    }
    taken
}

async fn connect_tls(io: impl AsyncRead + AsyncWrite + Unpin) -> impl AsyncRead + AsyncWrite + Unpin {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(certificate("first.pem")).unwrap())
        .unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    within("a TLS handshake", connector.connect(name, io))
        .await
        .unwrap()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const GET_LARGE: &[u8] = b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n";

async fn freeze_is_no_fault_of_the_clients(workers: &str) {
    let service = Service::start(workers);
    let mut silent = service.connect().await;
    let mut partial = service.connect().await;
    partial.write_all(&GET[..10]).await.unwrap();
    let mut kept_alive = service.connect().await;
    kept_alive.write_all(GET).await.unwrap();
    small_response("a first response", &mut kept_alive).await;
    let mut taking = service.connect().await;
    taking.write_all(GET_LARGE).await.unwrap();
    let tls = TcpStream::connect(service.tls).await.unwrap();
    // Windows for a head only, and for nothing.
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    preface.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    let head = |path: &[u8]| {
        let mut frame = vec![0, 0, (path.len() + 7) as u8, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x04];
        frame.push(path.len() as u8);
        frame.extend(path);
        frame.extend([0x01, 1, b'a']);
        frame
    };
    let window = |stream: u8| [0, 0, 4, 8, 0, 0, 0, 0, stream, 1, 0, 0, 0];
    let mut unused = service.connect().await;
    unused.write_all(&preface).await.unwrap();
    let mut closed = service.connect().await;
    closed.write_all(&preface).await.unwrap();
    closed.write_all(&head(b"/large")).await.unwrap();
    // All of it reaches the service, and the timeouts run.
    sleep(Duration::from_millis(300)).await;
    service.signal(Signal::STOP);
    sleep(FREEZE).await;
    silent.write_all(GET).await.unwrap();
    partial.write_all(&GET[10..]).await.unwrap();
    kept_alive.write_all(GET).await.unwrap();
    for stream in [0, 1] {
        closed.write_all(&window(stream)).await.unwrap();
    }
    unused.write_all(&head(b"/")).await.unwrap();
    unused.write_all(&window(1)).await.unwrap();
    // Everything that the kernel holds.
    let mut buffer = vec![0; 1 << 20];
    let mut taken = 0;
    while let Ok(read) = timeout(Duration::from_millis(100), taking.read(&mut buffer)).await {
        taken += read.unwrap();
    }
    assert!(taken > 10_000 && taken < LARGE, "{taken}");
    let handshake = tokio::spawn(async { connect_tls(tls).await });
    sleep(Duration::from_millis(100)).await;
    service.signal(Signal::CONT);

    let handshaken = async {
        let mut stream = handshake.await.unwrap();
        stream.write_all(GET).await.unwrap();
        small_response("a response over TLS", &mut stream).await;
    };
    tokio::join!(
        small_response("a response to a client silent at first", &mut silent),
        small_response("a response to a partial head", &mut partial),
        small_response("a response to a connection kept alive", &mut kept_alive),
        take("the rest of a response", &mut taking, LARGE - taken),
        take("a response once the window is open", &mut closed, LARGE),
        async {
            let mut seen = Vec::new();
            while !seen.ends_with(b"ok") {
                let read = within("a first HTTP/2 response", unused.read_buf(&mut seen)).await;
                assert!(matches!(read, Ok(1..)), "{read:?} after {seen:?}");
            }
        },
        handshaken,
    );
}

#[tokio::test]
async fn freeze_of_one_thread_is_no_fault_of_the_clients() {
    freeze_is_no_fault_of_the_clients("0").await;
}

#[tokio::test]
async fn freeze_of_several_workers_is_no_fault_of_the_clients() {
    freeze_is_no_fault_of_the_clients("2").await;
}
