//! Signals, sent to a process.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::child::Service;

#[test]
fn the_first_drains_the_second_ends_the_drain_time_the_third_cuts() {
    let service = Service::start("held", &[]);
    service.expect("ready");
    // Each of another kind: they count together.
    service.signal(Signal::TERM);
    service.expect("draining");
    service.signal(Signal::INT);
    service.expect("stopping");
    service.signal(Signal::USR2);
    service.expect("ended: SIGTERM");
    assert_eq!(service.wait().code(), Some(3), "something was cut");
}

#[test]
fn each_of_the_three_stops_a_service_without_an_error() {
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
fn the_same_one_again_hurries_too() {
    let service = Service::start("idle", &[]);
    service.expect("ready");
    service.signal(Signal::TERM);
    service.expect("draining");
    service.signal(Signal::TERM);
    service.expect("ended: SIGTERM");
    assert_eq!(service.wait().code(), Some(0), "nothing was in flight");
}

#[test]
fn one_that_comes_in_a_slow_start_is_remembered() {
    let service = Service::start("slow start", &[]);
    service.expect("starting");
    service.signal(Signal::TERM);
    // Its drain time is an hour: it was never ready, and does not wait for it.
    service.expect("ended: SIGTERM");
    assert_eq!(service.wait().code(), Some(0));
}

#[test]
fn the_one_that_follows_a_pre_stop_hook_does_not_end_the_drain_time() {
    let service = Service::start("pre-stop", &[]);
    service.expect("draining");
    let began = Instant::now();
    service.signal(Signal::TERM);
    service.expect("ended: asked to");
    // Of one and a half seconds, some of which had passed before we heard of it.
    assert!(
        began.elapsed() > Duration::from_millis(700),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(service.wait().code(), Some(0));
}
