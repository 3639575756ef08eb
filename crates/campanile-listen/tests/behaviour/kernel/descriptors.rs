//! Accepting and closing without free file descriptors, each test in its own process.

use std::fs::File;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use campanile_listen::{Bind, Listener};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::isolation::{Log, block_on, in_process, serve, serve_all};
use crate::support::{TestRecorder, connect, eventually, recorder, within};

const CLIENTS: usize = 40;

struct Queued {
    listener: Listener,
    metrics: &'static TestRecorder,
    clients: Vec<TcpStream>,
    errors: String,
}

/// Binds a listener and queues clients that have sent a request.
async fn queued() -> Queued {
    let metrics = recorder();
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listener = Bind::new(address).with_recorder(metrics).bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = connect(address).await;
        client.write_u8(7).await.unwrap();
        clients.push(client);
    }
    let errors = format!("http_server_accept_errors_total{{error=EMFILE,listener={address}}}");
    Queued {
        listener,
        metrics,
        clients,
        errors,
    }
}

/// Opens files until only `left` descriptors are free.
fn exhaust(left: usize) -> Vec<File> {
    let highest = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<u64>().ok());
    let current = Some(highest.max().unwrap() + left as u64 + 8);
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    let mut files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    files.truncate(files.len() - left);
    files
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

async fn read_response(client: &mut TcpStream) {
    assert_eq!(within("a response", client.read_u8()).await.unwrap(), 8);
}

#[test]
fn accept_pauses_without_descriptors_and_resumes() {
    if !in_process("kernel::descriptors::accept_pauses_without_descriptors_and_resumes") {
        return;
    }
    const FREE: usize = 5;
    let log = Log::begin();
    block_on(async {
        let Queued {
            mut listener,
            metrics,
            mut clients,
            errors,
        } = queued().await;
        let files = exhaust(FREE);
        tokio::spawn(async move {
            loop {
                tokio::spawn(serve(listener.accept().await));
            }
        });
        for client in &mut clients[..FREE] {
            read_response(client).await;
        }
        let (begun, cpu) = (Instant::now(), cpu_time());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let share = (cpu_time() - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
        assert!(share < 0.1, "accepting without descriptors used {share} of a CPU");
        // 100, 200, 400, 800 ms: about five.
        let failures = metrics.value(&errors).unwrap();
        assert!((2.0..15.0).contains(&failures), "{failures} failures");
        assert_eq!(log.count("accept failed"), 1, "{}", log.text());
        assert_eq!(log.count("error=\"EMFILE\""), 1, "{}", log.text());

        drop(files);
        for client in &mut clients[FREE..] {
            read_response(client).await;
        }
        eventually("the end of the outage to be logged", || {
            match log.count("accept resumed") {
                1 => Ok(()),
                _ => Err(log.text()),
            }
        })
        .await;
        assert_eq!(log.count("accept failed"), 1, "{}", log.text());
    });
}

#[test]
fn close_without_descriptors_serves_one_at_a_time() {
    if !in_process("kernel::descriptors::close_without_descriptors_serves_one_at_a_time") {
        return;
    }
    let log = Log::begin();
    block_on(async {
        let Queued {
            listener,
            metrics,
            clients,
            errors,
        } = queued().await;
        let _files = exhaust(0);
        let closed = tokio::spawn(serve_all(listener.close()));
        // Kept open, so that they free no descriptors.
        let mut served = Vec::new();
        for mut client in clients {
            read_response(&mut client).await;
            client.shutdown().await.unwrap();
            served.push(client);
        }
        assert_eq!(closed.await.unwrap(), CLIENTS);
        assert!(metrics.value(&errors).unwrap() > 1.0);
        assert_eq!(log.count("releasing the reserved one"), 1, "{}", log.text());
    });
}
