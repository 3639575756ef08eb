//! Servers as whole processes: signals, blocked threads and exit codes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(clippy::print_stdout, reason = "prints why a case is skipped")]

mod service;

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::service::{request, response, start, start_with};

#[test]
fn blocking_task_does_not_outlive_the_stop_timeout() {
    for (scenario, code) in [("serves", 0), ("nonzero", 3)] {
        let service = start(scenario);
        let address = service.address();
        assert!(response(request(address, "/pool")).starts_with("HTTP/1.1 200"));
        service.expect("blocked");
        service.signal(Signal::TERM);
        service.expect("threads of the runtime are blocked, by blocking tasks or handlers threads=1");
        assert_eq!(service.wait().code(), Some(code), "{scenario}");
    }
}

#[test]
fn blocking_task_has_the_rest_of_the_stop_timeout() {
    let service = start("patient");
    let address = service.address();
    assert!(response(request(address, "/short")).starts_with("HTTP/1.1 200"));
    service.expect("blocked");
    service.signal(Signal::TERM);
    service.expect("written");
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn blocked_worker_is_left_behind() {
    let service = start("nonzero");
    let address = service.address();
    let _client = request(address, "/worker");
    service.expect("blocked");
    service.signal(Signal::TERM);
    assert!(
        matches!(service.wait().code(), Some(3 | 4)),
        "one of two workers may hold the timers"
    );
}

#[test]
fn process_whose_workers_are_all_blocked_ends_with_exit_code_4() {
    for scenario in ["one worker", "current thread"] {
        let service = start(scenario);
        let address = service.address();
        let _client = request(address, "/worker");
        service.expect("blocked");
        service.signal(Signal::TERM);
        service.expect("the runtime makes no progress");
        assert_eq!(service.wait().code(), Some(4), "{scenario}");
    }
}

#[test]
fn signal_while_the_server_is_made_ends_the_start() {
    let service = start("slow start");
    service.expect("starting");
    service.signal(Signal::TERM);
    assert_eq!(service.wait().code(), Some(0));
    // It arrives while the start blocks, and is kept until the server runs.
    let service = start("blocked start");
    service.expect("starting");
    service.signal(Signal::INT);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn server_that_does_not_start_has_exit_code_1() {
    for (scenario, reason) in [
        ("failed start", "no database"),
        (
            "no subscriber",
            "cannot start the service: cannot bind a listener: ",
        ),
        ("no workers", "worker_threads must not be zero"),
    ] {
        let service = start(scenario);
        service.expect(reason);
        assert_eq!(service.wait().code(), Some(1), "{scenario}");
    }
}

#[test]
fn panic_of_the_start_ends_the_process() {
    let service = start("panicking start");
    service.expect("start panicked");
    // The test harness catches it.
    assert_eq!(service.wait().code(), Some(101));
}

#[test]
fn lost_accept_loop_is_named_and_exit_code_1() {
    let service = start("panicking clone");
    let address = service.address();
    assert!(response(request(address, "/")).starts_with("HTTP/1.1 200"));
    let _second = request(address, "/");
    let line = service.expect("lost its accept loop, which panicked: clone of the service");
    assert!(line.contains(&format!("listener {address} ")), "{line}");
    assert_eq!(service.wait().code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn socket_that_no_longer_listens_is_named_and_exit_code_1() {
    let service = start("lost socket");
    let address = service.address();
    let line = service.expect("failure: Some(");
    assert!(
        line.contains(&format!("listener {address} no longer listens: ")),
        "{line}"
    );
    assert_eq!(service.wait().code(), Some(1));
}

#[test]
fn hangup_without_certificates_is_logged_and_survived() {
    let service = start("serves");
    let address = service.address();
    assert!(response(request(address, "/")).starts_with("HTTP/1.1 200"));
    service.signal(Signal::HUP);
    service.expect("received SIGHUP: there is no certificate to reload");
    assert!(response(request(address, "/")).starts_with("HTTP/1.1 200"));
    service.signal(Signal::TERM);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn signals_have_their_previous_action_after_run_returned() {
    for (signal, number) in [
        (Signal::TERM, 15),
        (Signal::INT, 2),
        (Signal::HUP, 1),
        (Signal::USR2, Signal::USR2.as_raw()),
    ] {
        if is_ignored(number) {
            println!("skipped: {signal:?} is ignored here, as under nohup, and stays so in a child");
            continue;
        }
        let service = start("returns");
        let address = service.address();
        assert!(response(request(address, "/")).starts_with("HTTP/1.1 200"));
        service.signal(Signal::TERM);
        service.expect("returned");
        service.signal(signal);
        assert_eq!(service.wait().signal(), Some(number), "{signal:?}");
    }
}

/// Returns whether this process ignores a signal; false where that is unknown.
fn is_ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

#[test]
fn hangup_ignored_by_nohup_reloads_and_is_ignored_again_after_run_returned() {
    let nohup = |program: Command| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]);
        shell.arg(program.get_program()).args(program.get_args());
        shell
    };
    let service = start_with("returns", nohup);
    let address = service.address();
    assert!(response(request(address, "/")).starts_with("HTTP/1.1 200"));
    service.signal(Signal::HUP);
    service.expect("received SIGHUP");
    service.signal(Signal::TERM);
    service.expect("returned");
    service.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(100));
    service.signal(Signal::TERM);
    assert_eq!(service.wait().signal(), Some(15));
}

#[test]
fn end_of_one_server_leaves_the_signals_of_the_others() {
    let service = start("two servers");
    service.expect("first ended");
    service.signal(Signal::TERM);
    service.expect("second ended");
    let address = service.address();
    assert!(response(request(address, "/")).starts_with("HTTP/1.1 200"));
    service.signal(Signal::INT);
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn closed_output_does_not_end_the_service() {
    let mut service = start("serves");
    let address = service.address();
    assert!(response(request(address, "/")).starts_with("HTTP/1.1 200"));
    service.close_output();
    // Each is logged, which closes the pipe at the other end.
    for _ in 0..3 {
        service.signal(Signal::HUP);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(response(request(address, "/")).starts_with("HTTP/1.1 200"));
    service.signal(Signal::TERM);
    assert_eq!(service.wait().code(), Some(0));
}
