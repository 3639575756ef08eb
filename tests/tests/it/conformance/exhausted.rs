//! The service without a descriptor left: it waits, says so, and goes on, or stops as ever.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use campanile_tests::{
    process::{Process, wait_until},
    wire::{Answer, Ask, Socket, connect, read_head},
};

use super::PROGRAM;

/// Enough for a service of two workers and some thirty connections.
const DESCRIPTORS: u32 = 64;

/// As many as take all that is left, and several more.
const CLIENTS: usize = 80;

/// Those that sent a request: some were answered, the others wait in the queue.
struct Crowd {
    answered: Vec<TcpStream>,
    waiting: Vec<TcpStream>,
}

/// Boots the service with few descriptors.
fn boot(flags: &[&str]) -> Process {
    let limited = format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"");
    let service = [
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--threads",
        "2",
    ];
    let all = [&["-c", &limited, PROGRAM], &service[..], flags].concat();
    Process::boot("sh", &all)
}

/// Opens connections, each with a request, until no more are taken. Answers to `path` have to be over by then, or far.
fn crowd(service: &Process, admin: &mut dyn Socket, path: &str) -> Crowd {
    let ask = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = TcpStream::connect(service.address()).expect("the queue has room");
            client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            client.write_all(ask.as_bytes()).unwrap();
            client
        })
        .collect();
    // The queue is first come, first served.
    wait_until(
        || failures(&metrics(admin)) > 0,
        || format!("descriptors were never missing:\n{}", service.log()),
    );
    let open = number(&metrics(admin), "http_server_open_connections{");
    let waiting = clients.split_off(open as usize);
    assert!(!waiting.is_empty() && !clients.is_empty(), "{open} were accepted");
    Crowd {
        answered: clients,
        waiting,
    }
}

/// Asks on a connection that stays.
fn kept(connection: &mut dyn Socket, path: &str) -> String {
    let ask = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    connection
        .write_all(ask.as_bytes())
        .expect("the connection lives");
    let head = read_head(connection).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    connection.read_exact(&mut body).expect("the body comes");
    String::from_utf8(body).expect("text")
}

fn metrics(admin: &mut dyn Socket) -> String {
    kept(admin, "/metrics")
}

/// The value of the first series that begins so.
fn number(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(series));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.map_or(0.0, |value| value.parse().expect("a number"))
}

fn failures(text: &str) -> u32 {
    let series = text.lines().filter(|line| {
        line.starts_with("http_server_accept_errors_total{") && line.contains("error=\"EMFILE\"")
    });
    series
        .filter_map(|line| line.rsplit(' ').next())
        .map(|value| value.parse::<f64>().expect("a number") as u32)
        .sum()
}

/// What a process has used of a processor.
fn cpu_time(service: &Process) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", service.id())).expect("it runs");
    let (_, after_name) = stat.rsplit_once(") ").expect("a name in brackets");
    let fields: Vec<_> = after_name.split(' ').collect();
    let ticks: u64 = [fields[11], fields[12]]
        .iter()
        .map(|ticks| ticks.parse::<u64>().expect("a number"))
        .sum();
    let second = rustix::param::clock_ticks_per_second();
    Duration::from_secs_f64(ticks as f64 / second as f64)
}

/// How a client that asked sees its connection end.
fn end(mut client: TcpStream) -> io::Result<String> {
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_answered(client: &mut TcpStream) {
    let head = read_head(client);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[expect(
    clippy::print_stdout,
    reason = "whoever reads the tests' output wants to know"
)]
fn measured(what: &str) {
    println!("{what}");
}

#[test]
fn without_descriptors_it_waits_quietly_and_goes_on_when_there_are_some() {
    let service = boot(&[]);
    let mut admin = connect(service.admin()).unwrap();
    kept(&mut *admin, "/livez");
    let Crowd {
        mut answered,
        mut waiting,
    } = crowd(&service, &mut *admin, "/fast");
    answered.iter_mut().for_each(is_answered);

    let (begun, cpu, before) = (
        Instant::now(),
        cpu_time(&service),
        failures(&metrics(&mut *admin)),
    );
    let mut stranger = TcpStream::connect(service.admin()).unwrap();
    stranger.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stranger
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    for _ in 0..10 {
        std::thread::sleep(Duration::from_secs(1));
        // Or the port would close it as idle.
        kept(&mut *admin, "/livez");
    }
    let share = (cpu_time(&service) - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
    let failed = failures(&metrics(&mut *admin)) - before;
    measured(&format!(
        "{} served, {} in the queue, {failed} failed accepts in 10 s, {:.1} % of a processor",
        answered.len(),
        waiting.len(),
        share * 100.0
    ));
    assert!(
        share < 0.1,
        "while nothing can be accepted it takes {share} of a processor"
    );
    // A second apart.
    assert!((5..20).contains(&failed), "{failed} failed accepts");
    // Whoever has a connection of the admin port is answered, whoever is new there waits as all others do.
    assert_eq!(kept(&mut *admin, "/livez"), "ok\n");
    stranger.set_nonblocking(true).unwrap();
    assert_eq!(
        stranger.read(&mut [0]).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    stranger.set_nonblocking(false).unwrap();

    drop(answered);
    waiting.iter_mut().for_each(is_answered);
    drop(waiting);
    assert!(end(stranger).unwrap().starts_with("HTTP/1.1 200"));
    let answer: Answer = Ask::get("/fast").of(service.address());
    assert_eq!(answer.status(), 200);
    service.wait_for_log("the end of the spell", |log| log.contains("accept resumed"));
}

/// Stops the service while its descriptors are taken; whoever waits in the queue is served, or refused, and not lost.
fn stopped_while_exhausted(path: &str) {
    let mut service = boot(&["--drain", "0", "--stop", "60"]);
    let mut admin = connect(service.admin()).unwrap();
    kept(&mut *admin, "/livez");
    let Crowd { answered, waiting } = crowd(&service, &mut *admin, path);
    let begun = Instant::now();
    service.signal("TERM");
    let queued = waiting.len();
    for client in answered.into_iter().chain(waiting) {
        // A connection in the queue was never refused: it is served.
        let answer = end(client).expect("nobody is reset");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    let took = begun.elapsed();
    measured(&format!(
        "{path}: {queued} in the queue, all served, ended after {took:?}"
    ));
    assert!(took < Duration::from_secs(15), "{took:?}:\n{}", service.log());
}

#[test]
fn a_stop_without_descriptors_serves_the_queue_with_those_of_idle_connections() {
    stopped_while_exhausted("/fast");
}

#[test]
fn a_stop_without_descriptors_serves_the_queue_while_all_connections_are_busy() {
    stopped_while_exhausted("/sleep/3");
}
