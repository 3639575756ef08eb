//! One case for callgrind: the number of instructions does not depend on the load of the machine.
//!
//! Driven by `cargo xtask callgrind`. `--list` prints the number of requests, then one line per case with its name,
//! baseline and bound, separated by tabs; `--case NAME` warms a case up and then runs it in the function whose instructions
//! callgrind collects.

#![allow(clippy::print_stdout, reason = "prints its list")]

use campanile_tests::bench_cases::{self, BenchCase};

/// The number of instructions by which a case may exceed its baseline: a few percent above the last measurement.
const BOUNDS: &[(&str, u32)] = &[
    ("tower: exchange observed, nothing recorded", 310),
    ("tower: metrics: count, duration, active", 760),
    ("tower: metrics: every family", 850),
    ("tower: in-flight limit", 445),
    ("tower: deadline layer, no deadline", 360),
    ("tower: id taken, scoped, echoed", 1_780),
    ("tower: stack(), every family", 2_850),
    ("axum: stack(), every family", 4_400),
    ("client: metrics", 1_150),
    ("client: id composed and sent", 1_520),
    ("client: stack()", 2_420),
    ("recorder: bare: stack()", 3_150),
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
            let mut cases = bench_cases::all();
            let case = cases
                .iter_mut()
                .find(|case| case.name == name)
                .expect("a case of --list");
            collected(case, 100);
            measured_loop(case);
        }
        (Some("--list"), _) => {
            println!("{REQUESTS}");
            for case in bench_cases::all() {
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
fn measured_loop(case: &mut BenchCase) {
    collected(case, REQUESTS);
}

fn collected(case: &mut BenchCase, requests: u32) {
    for _ in 0..requests {
        (case.run)();
    }
}
