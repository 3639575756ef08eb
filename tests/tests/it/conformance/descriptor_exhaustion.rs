//! The service without free file descriptors: accepting pauses and resumes, and shutdown works.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use campanile_tests::{
    client::{Socket, TestRequest, TestResponse, connect, read_head, read_response},
    process::{Process, wait_until},
};

use super::PROGRAM;

/// Enough for two workers and about thirty connections.
const DESCRIPTORS: u32 = 64;

/// More than there are free descriptors, and less than twice as many.
const CLIENTS: usize = 60;

/// Clients that sent a request: some are accepted, the others wait in the accept queue.
struct Clients {
    accepted: Vec<TcpStream>,
    queued: Vec<TcpStream>,
}

/// Starts the service with few descriptors.
fn start_limited(flags: &[&str]) -> Process {
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
    Process::start("sh", &all)
}

/// Opens connections with a request each, until no more are accepted. The responses to `path` must be complete by then, or
/// far from it.
fn fill(service: &Process, admin: &mut dyn Socket, path: &str) -> Clients {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = TcpStream::connect(service.address()).expect("the queue has room");
            client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            client.write_all(request.as_bytes()).unwrap();
            client
        })
        .collect();
    // The accept queue is first in, first out.
    wait_until(
        || failures(&metrics(admin)) > 0,
        || format!("descriptors are not exhausted:\n{}", service.log()),
    );
    let open = value_of(&metrics(admin), "http_server_open_connections{");
    let queued = clients.split_off(open as usize);
    assert!(
        !queued.is_empty() && !clients.is_empty(),
        "{open} connections are accepted"
    );
    Clients {
        accepted: clients,
        queued,
    }
}

/// Sends a request on a persistent connection, and returns the body.
fn get(connection: &mut dyn Socket, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    connection
        .write_all(request.as_bytes())
        .expect("the connection is open");
    let (head, body) = read_response(connection);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    String::from_utf8(body).expect("text")
}

fn metrics(admin: &mut dyn Socket) -> String {
    get(admin, "/metrics")
}

/// Returns the value of the first series with this prefix.
fn value_of(text: &str, series: &str) -> f64 {
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

/// Returns the processor time of a process.
fn cpu_time(service: &Process) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", service.id())).expect("the process runs");
    let (_, after_name) = stat.rsplit_once(") ").expect("a name in brackets");
    let fields: Vec<_> = after_name.split(' ').collect();
    let ticks: u64 = [fields[11], fields[12]]
        .iter()
        .map(|ticks| ticks.parse::<u64>().expect("a number"))
        .sum();
    let second = rustix::param::clock_ticks_per_second();
    Duration::from_secs_f64(ticks as f64 / second as f64)
}

/// Reads to the end of a connection.
fn read_to_end(mut client: TcpStream) -> io::Result<String> {
    let mut response = String::new();
    client.read_to_string(&mut response)?;
    Ok(response)
}

fn expect_success(client: &mut TcpStream) {
    let head = read_head(client);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[expect(clippy::print_stdout, reason = "prints measurements")]
fn print_measurement(what: &str) {
    println!("{what}");
}

#[test]
fn accepting_pauses_without_descriptors_and_resumes_with_them() {
    let service = start_limited(&[]);
    let mut admin = connect(service.admin()).unwrap();
    get(&mut *admin, "/livez");
    let Clients {
        mut accepted,
        mut queued,
    } = fill(&service, &mut *admin, "/fast");
    accepted.iter_mut().for_each(expect_success);

    let (begun, cpu, before) = (
        Instant::now(),
        cpu_time(&service),
        failures(&metrics(&mut *admin)),
    );
    let mut new_client = TcpStream::connect(service.admin()).unwrap();
    new_client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    new_client
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    for _ in 0..5 {
        std::thread::sleep(Duration::from_secs(1));
        // Keeps the connection from being closed as idle.
        get(&mut *admin, "/livez");
    }
    let share = (cpu_time(&service) - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
    let failed = failures(&metrics(&mut *admin)) - before;
    print_measurement(&format!(
        "{} served, {} in the queue, {failed} failed accepts in 5 s, {:.1} % of a processor",
        accepted.len(),
        queued.len(),
        share * 100.0
    ));
    assert!(
        share < 0.1,
        "it uses {share} of a processor while accepting is paused"
    );
    // One failed attempt per second.
    assert!((3..10).contains(&failed), "{failed} failed accepts");
    // The admin port serves its open connection, and new ones with its reserve.
    assert_eq!(get(&mut *admin, "/livez"), "ok\n");
    assert!(read_to_end(new_client).unwrap().starts_with("HTTP/1.1 200"));

    drop(accepted);
    queued.iter_mut().for_each(expect_success);
    drop(queued);
    let response: TestResponse = TestRequest::get("/fast").send(service.address());
    assert_eq!(response.status(), 200);
    service.wait_for_log("the end of the exhaustion", |log| log.contains("accept resumed"));
}

/// Shuts the service down without free descriptors; the connections in the accept queue are served.
fn shut_down_while_exhausted(path: &str) {
    let mut service = start_limited(&["--drain", "0", "--stop", "60"]);
    let mut admin = connect(service.admin()).unwrap();
    get(&mut *admin, "/livez");
    let Clients { accepted, queued } = fill(&service, &mut *admin, path);
    let begun = Instant::now();
    service.signal("TERM");
    let queue_length = queued.len();
    for client in accepted.into_iter().chain(queued) {
        // Connections in the accept queue are served.
        let response = read_to_end(client).expect("no connection is reset");
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    }
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    let took = begun.elapsed();
    print_measurement(&format!(
        "{path}: {queue_length} in the queue, all served, ended after {took:?}"
    ));
    assert!(took < Duration::from_secs(15), "{took:?}:\n{}", service.log());
}

#[test]
fn shutdown_without_descriptors_serves_the_queue_by_closing_idle_connections() {
    shut_down_while_exhausted("/fast");
}

#[test]
fn shutdown_without_descriptors_serves_the_queue_while_all_connections_are_busy() {
    shut_down_while_exhausted("/sleep/3");
}
