//! Clients in child processes, whose cost is not measured.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The first argument of such a process.
pub(crate) const CHILD: &str = "clients";

/// Starts this program as a client; the arguments are those of [`child`].
pub(crate) fn start(arguments: &[String]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .arg(CHILD)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a client, and returns the numbers that it printed.
pub(crate) fn finish(child: Child) -> Vec<f64> {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect()
}

pub(crate) fn child(arguments: &[String]) {
    let address: SocketAddr = arguments[1].parse().unwrap();
    let number: u64 = arguments[2].parse().unwrap();
    match arguments[0].as_str() {
        "pages" => pages(address, number, &arguments[3]),
        "scrape" => scrape(address, number, &arguments[3]),
        _ => load(address, number),
    }
}

/// Reads `number` pages for `seconds`, and prints the number of events.
fn pages(address: SocketAddr, number: u64, seconds: &str) {
    let end = Instant::now() + Duration::from_secs(seconds.parse().unwrap());
    let readers: Vec<_> = (0..number)
        .map(|_| {
            thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream
                    .write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    .unwrap();
                let lines = BufReader::new(stream).lines().map_while(Result::ok);
                lines
                    .take_while(|_| Instant::now() < end)
                    .filter(|line| line == "event: sample")
                    .count()
            })
        })
        .collect();
    println!(
        "{}",
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .sum::<usize>()
    );
}

/// Scrapes every `period` milliseconds for [`PHASE`], and prints the milliseconds and the length of each.
fn scrape(address: SocketAddr, period: u64, encoding: &str) {
    let end = Instant::now() + PHASE;
    let mut next = Instant::now();
    while next < end {
        let begun = Instant::now();
        let length = get(address, encoding);
        println!("{} {}", begun.elapsed().as_secs_f64() * 1e3, length);
        next += Duration::from_millis(period);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// The duration of a load phase.
pub(crate) const PHASE: Duration = Duration::from_secs(2);

fn get(address: SocketAddr, encoding: &str) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {encoding}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    assert!(response.starts_with(b"HTTP/1.1 200"));
    response.len()
}

/// Sends requests over persistent connections, each a millisecond after the previous response, and prints their durations
/// in milliseconds.
fn load(address: SocketAddr, connections: u64) {
    let end = Instant::now() + PHASE;
    let senders: Vec<_> = (0..connections)
        .map(|_| {
            thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                let mut buffer = [0; 4096];
                let mut took = Vec::new();
                while Instant::now() < end {
                    let begun = Instant::now();
                    stream.write_all(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n").unwrap();
                    assert!(stream.read(&mut buffer).unwrap() > 0);
                    took.push(begun.elapsed().as_secs_f64() * 1e3);
                    thread::sleep(Duration::from_millis(1));
                }
                took
            })
        })
        .collect();
    for took in senders.into_iter().flat_map(|sender| sender.join().unwrap()) {
        println!("{took}");
    }
}
