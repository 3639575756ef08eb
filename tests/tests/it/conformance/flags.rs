//! Invalid command lines.

use std::{
    net::TcpListener,
    process::{Command, Output},
};

use super::PROGRAM;

fn run(flags: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new(PROGRAM)
        .args(flags)
        .output()
        .expect("the program starts");
    (status.code(), String::from_utf8(stderr).expect("text"))
}

#[test]
fn an_invalid_flag_is_reported_before_any_socket_is_bound() {
    // If a socket were bound first, the error would be that this address is in use.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let base = ["--listen", &taken, "--admin", &taken];
    for (flag, value, why) in [
        ("--profile", "other", "semconv, talisker, gunicorn, baseplate"),
        ("--recorder", "statsd-exporter", "needs --statsd"),
        (
            "--recorder",
            "other",
            "campanile, prometheus-exporter, statsd-exporter",
        ),
        ("--statsd", "127.0.0.1", "no port"),
        ("--statsd", ":8125", "not HOST:PORT"),
        ("--statsd-prefix", "p", "needs --statsd"),
        ("--statsd-prefix", "a|b", "invalid character"),
        ("--drain", "soon", "not a number of seconds"),
        ("--drain", "nan", "not between 0 and a year"),
        ("--stop", "1e9", "not between 0 and a year"),
        ("--scope-root", "/tmp", "not available yet"),
        ("--backlog", "0", "zero"),
        ("--max-connections", "0", "zero"),
        ("--max-concurrency", "many", "invalid digit"),
        ("--threads", "0", "zero"),
        ("--no-such-flag", "1", "unexpected argument"),
    ] {
        let (code, text) = run(&[&base[..], &[flag, value]].concat());
        assert_eq!(code, Some(2), "{flag} {value}: {text}");
        assert!(
            text.contains(flag) && text.contains(why),
            "{flag} {value}: {text}"
        );
    }
    for (recorder, more) in [
        ("prometheus-exporter", &[][..]),
        ("statsd-exporter", &["--statsd", "127.0.0.1:8125"]),
    ] {
        let flags = ["--recorder", recorder, "--multiprocess-dir", "/tmp"];
        let (code, text) = run(&[&base[..], &flags, more].concat());
        assert_eq!(code, Some(2), "{recorder}: {text}");
        let expected = "--multiprocess-dir: only --recorder campanile counts in a directory";
        assert!(text.contains(expected), "{recorder}: {text}");
    }
    for (flags, named) in [
        (&["--listen", "nowhere"][..], "--listen"),
        (&["--listen", "127.0.0.1"], "--listen"),
        (&["--listen", "unix:"], "--listen"),
        (&["--listen", "127.0.0.1:0", "--admin", "unix:/tmp/x"], "--admin"),
        (&[], "--listen"),
    ] {
        let (code, text) = run(flags);
        assert_eq!(code, Some(2), "{flags:?}: {text}");
        assert!(text.contains(named), "{flags:?}: {text}");
    }
}

#[test]
fn an_address_in_use_is_reported() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for flags in [
        ["--listen", &taken, "--admin", "127.0.0.1:0"],
        ["--listen", "127.0.0.1:0", "--admin", &taken],
    ] {
        let (code, text) = run(&flags);
        assert_eq!(code, Some(1), "{flags:?}: {text}");
        let expected = format!("cannot listen on {taken}: Address already in use");
        assert!(text.contains(&expected), "{flags:?}: {text}");
    }
    let (code, text) = run(&[
        "--listen",
        "unix:/no/such/folder/x.sock",
        "--admin",
        "127.0.0.1:0",
    ]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("cannot listen on unix:/no/such/folder/x.sock: "),
        "{text}"
    );
}

#[test]
fn help_lists_every_flag() {
    let output = Command::new(PROGRAM)
        .arg("--help")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for flag in [
        "--listen",
        "--admin",
        "--profile",
        "--recorder",
        "--statsd",
        "--statsd-prefix",
        "--backlog",
        "--max-connections",
        "--max-concurrency",
        "--threads",
        "--drain",
        "--stop",
        "--scope-root",
        "--multiprocess-dir",
    ] {
        assert!(text.contains(flag), "{flag} is not in:\n{text}");
    }
}
