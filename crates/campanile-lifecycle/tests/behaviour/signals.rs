//! Signals, sent to a child process.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::child_process::Service;

#[test]
fn first_signal_drains_second_ends_the_drain_time_third_cuts() {
    let service = Service::start("held", &[]);
    service.expect("ready");
    // Signals of different kinds count together.
    service.signal(Signal::TERM);
    service.expect("draining");
    service.signal(Signal::INT);
    service.expect("stopping");
    service.signal(Signal::USR2);
    service.expect("ended: SIGTERM");
    assert_eq!(service.wait().code(), Some(3), "something was cut");
}

#[test]
fn each_kind_of_signal_stops_a_service_with_exit_code_0() {
    for (signal, name) in [
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::USR2, "SIGUSR2"),
    ] {
        let service = Service::start("quick", &[]);
        service.expect("ready");
        service.signal(signal);
        service.expect("draining");
        service.expect(&format!("ended: {name}"));
        assert_eq!(service.wait().code(), Some(0), "{name}");
    }
}

#[test]
fn repeated_signal_ends_the_drain_time() {
    let service = Service::start("idle", &[]);
    service.expect("ready");
    service.signal(Signal::TERM);
    service.expect("draining");
    service.signal(Signal::TERM);
    service.expect("ended: SIGTERM");
    assert_eq!(service.wait().code(), Some(0), "nothing was in flight");
}

#[test]
fn signal_during_a_slow_start_is_kept() {
    let service = Service::start("slow start", &[]);
    service.expect("starting");
    service.signal(Signal::TERM);
    // Never ready, so it skips its drain time of an hour.
    service.expect("ended: SIGTERM");
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn signal_after_a_pre_stop_hook_does_not_end_the_drain_time() {
    let service = Service::start("pre-stop", &[]);
    service.expect("draining");
    let began = Instant::now();
    service.signal(Signal::TERM);
    service.expect("ended: requested");
    // The drain time is 1.5 s, part of which passed before the line arrived.
    assert!(
        began.elapsed() > Duration::from_millis(700),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(service.wait().code(), Some(0));
}

/// Returns whether this process ignores a signal; false where that is unknown.
fn is_ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

#[test]
fn signals_have_their_default_action_after_run_returned() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2)] {
        if is_ignored(number) {
            println!(
                "skipped: {signal:?} is ignored here, as in the background of a script, and stays so in a child"
            );
            continue;
        }
        let service = Service::start("returns", &[]);
        service.expect("ready");
        service.signal(Signal::TERM);
        service.expect("returned");
        service.signal(signal);
        assert_eq!(service.wait().signal(), Some(number));
    }
}

#[test]
fn service_whose_runtime_is_blocked_ends_with_exit_code_4() {
    let service = Service::start("stuck", &[]);
    service.expect("blocking");
    service.signal(Signal::TERM);
    assert_eq!(service.wait().code(), Some(4));
}

#[test]
fn third_signal_ends_a_blocked_service_at_once() {
    let service = Service::start("stuck for an hour", &[]);
    service.expect("blocking");
    // Of different kinds, since the kernel merges pending signals of one kind.
    for signal in [Signal::TERM, Signal::INT, Signal::USR2] {
        service.signal(signal);
    }
    assert_eq!(service.wait().code(), Some(4));
}

#[test]
fn blocked_service_ends_also_if_its_last_log_blocks_or_panics() {
    for scenario in ["stuck with a log that blocks", "stuck with a log that panics"] {
        let service = Service::start(scenario, &[]);
        service.expect("blocking");
        service.signal(Signal::TERM);
        assert_eq!(service.wait().code(), Some(4), "{scenario}");
    }
}

#[test]
fn process_that_was_stopped_for_a_while_is_not_overdue() {
    let service = Service::start("quick", &[]);
    service.expect("ready");
    service.signal(Signal::TERM);
    service.expect("draining");
    service.signal(Signal::STOP);
    // Beyond its drain time, stop timeout and margin.
    std::thread::sleep(Duration::from_secs(4));
    service.signal(Signal::CONT);
    service.expect("ended: SIGTERM");
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn handlers_of_the_program_are_called_and_restored() {
    let service = Service::start("own handlers", &[]);
    service.expect("ready");
    service.signal(Signal::TERM);
    service.expect("own handler called");
    service.signal(Signal::TERM);
    service.expect("own handler called again");
    assert_eq!(service.wait().code(), Some(0));
}

/// Its handler calls ours, which was installed before it, and ours is installed over it again.
#[test]
fn handler_between_those_of_two_services_is_called_once() {
    let service = Service::start("second service", &[]);
    service.expect("ready");
    service.signal(Signal::TERM);
    service.expect("draining");
    service.expect("ended: SIGTERM");
    service.expect("own handler called");
    service.expect("second service draining");
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn signal_of_a_forked_child_ends_the_child_only() {
    let service = Service::start("forks", &[]);
    service.expect("child ended by Some(15)");
    // The first signal of the parent, so its drain time of an hour begins.
    service.signal(Signal::TERM);
    service.expect("draining");
    service.signal(Signal::TERM);
    service.expect("ended: SIGTERM");
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn task_that_blocks_during_the_drain_does_not_keep_the_process() {
    let service = Service::start("stuck in a hook", &[]);
    service.expect("ready");
    service.signal(Signal::TERM);
    service.expect("blocking");
    assert_eq!(service.wait().code(), Some(4));
}
