//! A process without descriptors, which is a process of the test's own.

use std::fs::File;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use campanile_listen::{Bind, Listener};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::alone::{Log, block_on, in_process, serve, serve_all};
use crate::support::{Seen, connect, eventually, recorder, within};

const CLIENTS: usize = 40;

struct Crowd {
    listener: Listener,
    seen: &'static Seen,
    clients: Vec<TcpStream>,
    errors: String,
}

/// A listener in whose queue clients wait that have asked.
async fn crowd() -> Crowd {
    let seen = recorder();
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listener = Bind::new(address).with_recorder(seen).bind().unwrap();
    let address = listener.local_address().tcp().unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = connect(address).await;
        client.write_u8(7).await.unwrap();
        clients.push(client);
    }
    let errors = format!("http_server_accept_errors_total{{error=EMFILE,listener={address}}}");
    Crowd {
        listener,
        seen,
        clients,
        errors,
    }
}

/// Opens what may be opened yet, beyond what is open now and `left`.
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

async fn answer(client: &mut TcpStream) {
    assert_eq!(within("an answer", client.read_u8()).await.unwrap(), 8);
}

#[test]
fn accepting_pauses_without_descriptors_and_goes_on_with_them() {
    if !in_process("exhausted::accepting_pauses_without_descriptors_and_goes_on_with_them") {
        return;
    }
    const FREE: usize = 5;
    let log = Log::begin();
    block_on(async {
        let Crowd {
            mut listener,
            seen,
            mut clients,
            errors,
        } = crowd().await;
        let files = exhaust(FREE);
        tokio::spawn(async move {
            loop {
                tokio::spawn(serve(listener.accept().await));
            }
        });
        for client in &mut clients[..FREE] {
            answer(client).await;
        }
        let (begun, cpu) = (Instant::now(), cpu_time());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let share = (cpu_time() - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
        assert!(
            share < 0.1,
            "while nothing can be accepted it takes {share} of a processor"
        );
        // 100, 200, 400, 800 ms: about five.
        let failures = seen.value(&errors).unwrap();
        assert!((2.0..15.0).contains(&failures), "{failures} failures");
        assert_eq!(log.count("accepting fails"), 1, "{}", log.text());
        assert_eq!(log.count("error=\"EMFILE\""), 1, "{}", log.text());

        drop(files);
        for client in &mut clients[FREE..] {
            answer(client).await;
        }
        eventually("the end of the spell to be logged", || {
            match log.count("accepting goes on") {
                1 => Ok(()),
                _ => Err(log.text()),
            }
        })
        .await;
        assert_eq!(log.count("accepting fails"), 1, "{}", log.text());
    });
}

#[test]
fn close_without_descriptors_serves_one_after_the_other() {
    if !in_process("exhausted::close_without_descriptors_serves_one_after_the_other") {
        return;
    }
    let log = Log::begin();
    block_on(async {
        let Crowd {
            listener,
            seen,
            clients,
            errors,
        } = crowd().await;
        let _files = exhaust(0);
        let closed = tokio::spawn(serve_all(listener.close()));
        // Kept, so that none of theirs comes free.
        let mut answered = Vec::new();
        for mut client in clients {
            answer(&mut client).await;
            client.shutdown().await.unwrap();
            answered.push(client);
        }
        assert_eq!(closed.await.unwrap(), CLIENTS);
        assert!(seen.value(&errors).unwrap() > 1.0);
        assert_eq!(log.count("the reserve is given up"), 1, "{}", log.text());
    });
}
