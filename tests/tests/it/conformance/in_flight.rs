//! The in-flight table, read under load.

use std::{
    collections::HashSet,
    io::{Read, Write},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use campanile_tests::{
    client::{connect, read_head, read_response},
    process::wait_until,
};
use serde_json::Value;

use super::start_service;

const CLIENTS: usize = 20;
const REQUESTS: usize = 500;

/// The method, path, route and ID prefix of a request.
const KINDS: [(&str, &str, &str, &str); 4] = [
    ("GET", "/sleep/0.002", "/sleep/{s}", "sleeper-"),
    ("GET", "/status/404/some.view", "/status/{code}/{view}", "seeker-"),
    ("POST", "/echo", "/echo", "speaker-"),
    ("GET", "/fast", "/fast", "racer-"),
];

/// Reads the table. The admin port requires its address as `Host`.
fn table(admin: &str) -> Vec<Value> {
    let mut connection = connect(admin).expect("the admin port listens");
    let request = "GET /requests?limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    connection
        .write_all(request.as_bytes())
        .expect("the connection is open");
    let head = read_head(&mut *connection);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut body = String::new();
    connection.read_to_string(&mut body).expect("the whole table");
    let mut json: Value = serde_json::from_str(&body).expect("JSON");
    match json["requests"].take() {
        Value::Array(rows) => rows,
        other => panic!("no table: {other}"),
    }
}

/// Makes requests one after the other on one connection.
fn send_requests(service: &str, client: usize) {
    let mut connection = connect(service).expect("the service listens");
    for request in 0..REQUESTS {
        let (method, path, _, name) = KINDS[(client + request) % KINDS.len()];
        let body = if method == "POST" { "hello" } else { "" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {name}{client}-{request}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection
            .write_all(head.as_bytes())
            .expect("the connection is open");
        read_response(&mut *connection);
    }
}

/// Checks that a row describes one request, and not parts of two.
fn check(row: &Value) {
    let id = row["id"].as_str().expect("an id");
    let kind = KINDS.iter().find(|(.., name)| id.starts_with(name));
    let (method, _, route, name) = kind.unwrap_or_else(|| panic!("unknown request: {row}"));
    let numbers: Vec<&str> = id[name.len()..].split('-').collect();
    assert!(
        numbers.len() == 2 && numbers.iter().all(|number| number.parse::<usize>().is_ok()),
        "{row}"
    );
    assert_eq!(row["method"], *method, "{row}");
    // There is no route before the router has run.
    let known = row["route"].as_str().unwrap_or_default();
    assert!(known.is_empty() || known == *route, "{row}");
    assert!(matches!(row["phase"].as_str(), Some("app" | "body")), "{row}");
    let age = row["age_seconds"].as_f64().expect("an age");
    assert!((0.0..60.0).contains(&age), "{row}");
}

#[test]
fn every_row_describes_one_request_under_load_and_none_is_left() {
    let service = start_service(&[]);
    let (address, admin) = (service.address(), service.admin());
    let done = AtomicBool::new(false);
    let mut seen = HashSet::new();
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| scope.spawn(move || send_requests(address, client)))
                .collect();
            let ended = clients.into_iter().map(|client| client.join());
            let failed = ended.filter(Result::is_err).count();
            done.store(true, Ordering::Release);
            failed
        });
        while !done.load(Ordering::Acquire) {
            let rows = table(admin);
            rows.iter().for_each(check);
            let ids: HashSet<_> = rows.iter().map(|row| row["id"].to_string()).collect();
            assert_eq!(ids.len(), rows.len(), "a request occurs twice in one table");
            seen.extend(ids);
        }
        let failed = load.join().expect("the load does not panic");
        assert_eq!(failed, 0, "clients that failed");
    });
    assert!(seen.len() > 20, "only {} requests were seen", seen.len());
    wait_until(
        || table(admin).is_empty(),
        || format!("requests left in the table: {:?}", table(admin)),
    );
}
