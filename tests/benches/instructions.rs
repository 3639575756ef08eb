//! One case for callgrind: instructions do not care what else the machine does.
//!
//! Driven by `cargo xtask callgrind`. `--list` prints the number of requests, then the cases, one a line, each
//! with its baseline and its bound behind tabs;
//! `--case NAME` warms one up and then runs it in a function that callgrind is told to collect.

#![allow(clippy::print_stdout, reason = "prints its list")]

use campanile_tests::cases::{self, Case};

/// Instructions that a case may take over its baseline: a few in a hundred more than were counted last.
const BOUNDS: &[(&str, u32)] = &[
    ("tower: metrics: count, duration, active", 590),
    ("tower: metrics: every family", 700),
    ("tower: in-flight limit", 345),
    ("tower: deadline layer, no deadline", 390),
    ("tower: id taken, scoped, echoed", 2_370),
    ("tower: stack(), every family", 4_250),
    ("client: metrics", 975),
    ("client: id composed and sent", 1_550),
    ("client: metrics, id composed and sent", 2_460),
    // A profile's table is applied when a handle is registered: what it does not scale is the recorder's own.
    ("recorder: under talisker's: count, duration, active", 5),
    ("recorder: under talisker's: stack()", 40),
];

/// Requests in the collected function.
const REQUESTS: u32 = 1_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--case"), Some(name)) => {
            let mut cases = cases::all();
            let case = cases
                .iter_mut()
                .find(|case| case.name == name)
                .expect("--list names the cases");
            collected(case, 100);
            measured_loop(case);
        }
        (Some("--list"), _) => {
            println!("{REQUESTS}");
            for case in cases::all() {
                let bound = BOUNDS.iter().find(|(name, _)| *name == case.name);
                let bound = bound.map(|(_, bound)| bound.to_string()).unwrap_or_default();
                println!("{}\t{}\t{bound}", case.name, case.baseline);
            }
        }
        // `cargo test --benches` and `cargo bench` without a case have nothing to collect.
        _ => {}
    }
}

#[inline(never)]
fn measured_loop(case: &mut Case) {
    collected(case, REQUESTS);
}

fn collected(case: &mut Case, requests: u32) {
    for _ in 0..requests {
        (case.run)();
    }
}
