//! A process without descriptors.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

use campanile_admin::Admin;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{Port, TIMEOUT, get};

const CHILD: &str = "CAMPANILE_ADMIN_WITHOUT_DESCRIPTORS";

/// Runs in a process of its own: opens a port, uses up all descriptors and keeps trying.
fn run_child() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(100),
            maximum,
        },
    )
    .expect("lowered");
    let port = Port::start(Admin::new().with_callback_timeout(Duration::from_secs(5)));
    while !port.get("/readyz").starts_with("HTTP/1.1 200") {}
    std::thread::spawn(|| {
        let mut files = Vec::new();
        loop {
            match File::open("/dev/null") {
                Ok(file) => files.push(file),
                Err(_) => std::thread::sleep(Duration::from_micros(50)),
            }
        }
    });
    while File::open("/dev/null").is_ok() {}
    writeln!(std::io::stdout(), "address {}", port.address).expect("the parent reads");
    // Until the parent closes it.
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn port_responds_without_descriptors() {
    if std::env::var_os(CHILD).is_some() {
        return run_child();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "descriptors::port_responds_without_descriptors",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept until the end: the test harness of the child ends it if it cannot write.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("address ").map(|(_, address)| address.to_owned()))
        .expect("the child prints its address");
    let fetch = |target: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream
            .write_all(get(target, "Connection: close\r\n").as_bytes())
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).map(|_| text)
    };
    let mut responses = Vec::new();
    for target in ["/livez", "/readyz"].repeat(8) {
        responses.push((target, fetch(target)));
    }
    // Several at the same time.
    let streams: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(TIMEOUT)).unwrap();
            stream
                .write_all(get("/livez", "Connection: close\r\n").as_bytes())
                .unwrap();
            stream
        })
        .collect();
    for stream in streams {
        responses.push(("/livez", std::io::read_to_string(stream)));
    }
    drop(child.stdin.take());
    child.wait().unwrap();
    drop(lines);
    for (target, response) in responses {
        let response = response.expect("a response in time");
        assert!(response.starts_with("HTTP/1.1 200"), "{target}: {response}");
    }
}
