//! What the layers cost per request, each case beside its baseline in the same rounds.
//!
//! `cargo bench -p campanile-tests --bench layers [-- FILTER]`. A round runs baseline, case, case, baseline, some
//! thousand requests each; a figure is the median of the rounds' paired differences, so that what else the machine
//! does falls on both. Prints nanoseconds of
//! processor time per request.

#![allow(clippy::print_stdout, reason = "prints its figures")]

use campanile_tests::cases::{self, Case};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 101;
const REQUESTS: u32 = 4_000;

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let mut cases = cases::all();
    let names: Vec<_> = cases.iter().map(|case| case.name).collect();
    println!("{:<48} {:>10} {:>10}   [quartiles]", "case", "ns", "over base");
    for place in 0..cases.len() {
        let base = names
            .iter()
            .position(|name| *name == cases[place].baseline)
            .expect("each baseline is a case");
        if filter
            .as_ref()
            .is_some_and(|filter| !names[place].contains(filter.as_str()))
        {
            continue;
        }
        let Ok([case, base]) = cases.get_disjoint_mut([place, base]) else {
            let time = median((0..ROUNDS).map(|_| time(&mut cases[place])).collect());
            println!("{:<48} {:>10.1} {:>10}", names[place], time[1], "-");
            continue;
        };
        compare(case, base);
    }
}

fn compare(case: &mut Case, base: &mut Case) {
    let mut whole = Vec::with_capacity(ROUNDS);
    let mut over = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let before = time(base);
        let with = (time(case) + time(case)) / 2.0;
        let after = time(base);
        whole.push(with);
        over.push(with - (before + after) / 2.0);
    }
    let [low, over, high] = median(over);
    println!(
        "{:<48} {:>10.1} {over:>10.1}   [{low:.1} .. {high:.1}]",
        case.name,
        median(whole)[1]
    );
}

/// Nanoseconds of this thread's processor time per request, over one batch.
fn time(case: &mut Case) -> f64 {
    let start = thread_time();
    for _ in 0..REQUESTS {
        (case.run)();
    }
    (thread_time() - start) / f64::from(REQUESTS)
}

fn thread_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The quartiles.
fn median(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [
        values[values.len() / 4],
        values[values.len() / 2],
        values[values.len() * 3 / 4],
    ]
}
