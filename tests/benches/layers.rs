//! What the layers cost per request, each case beside its baseline in the same rounds.
//!
//! `cargo bench -p campanile-tests --bench layers [-- FILTER]`. A round runs baseline, case, case, baseline, some
//! hundred requests each, so that what else the machine does falls on both. Prints nanoseconds of processor time per
//! request: over the quietest twentieth of the batches, which a neighbour on the same core disturbed least, and the
//! median of the rounds' paired differences with its quartiles.

#![allow(clippy::print_stdout, reason = "prints its figures")]

use campanile_tests::cases::{self, Case};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 1_001;
const REQUESTS: u32 = 400;

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let mut cases = cases::all();
    let names: Vec<_> = cases.iter().map(|case| case.name).collect();
    println!(
        "{:<44} {:>9} {:>9} {:>9}   [quartiles]",
        "case", "quiet ns", "over base", "median"
    );
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
            let quiet = quiet((0..ROUNDS).map(|_| time(&mut cases[place])).collect());
            println!("{:<44} {quiet:>9.1}", names[place]);
            continue;
        };
        compare(case, base);
    }
}

fn compare(case: &mut Case, base: &mut Case) {
    let (mut bases, mut wholes, mut over) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = time(base);
        let (first, second) = (time(case), time(case));
        let after = time(base);
        bases.extend([before, after]);
        wholes.extend([first, second]);
        over.push((first + second - before - after) / 2.0);
    }
    let (base, whole) = (quiet(bases), quiet(wholes));
    let [low, median, high] = quartiles(over);
    println!(
        "{:<44} {whole:>9.1} {:>9.1} {median:>9.1}   [{low:.1} .. {high:.1}]",
        case.name,
        whole - base
    );
}

/// The time that only a twentieth of the batches stayed below.
fn quiet(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 20]
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

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [
        values[values.len() / 4],
        values[values.len() / 2],
        values[values.len() * 3 / 4],
    ]
}
