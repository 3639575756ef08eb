//! What the layers cost per request, each case beside its baseline in the same rounds.
//!
//! `cargo bench -p campanile-tests --bench layers [-- FILTER]`. A round runs baseline, case, case, baseline, some
//! hundred requests each, so that what else the machine does falls on both; the cases take turns for their rounds, so that
//! a neighbour at work disturbs a part of each and not all of one. Prints nanoseconds of processor time per request: over
//! the quietest twentieth of the batches, and the median of the rounds' paired differences with its quartiles.

#![allow(clippy::print_stdout, reason = "prints its figures")]

use campanile_tests::cases::{self, Case};
use rustix::time::{ClockId, clock_gettime};

/// Turns of each case, and the rounds of a turn.
const TURNS: usize = 7;
const ROUNDS: usize = 143;
const REQUESTS: u32 = 400;

/// What was measured of one case.
#[derive(Default)]
struct Samples {
    base: Vec<f64>,
    whole: Vec<f64>,
    over: Vec<f64>,
}

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let mut cases = cases::all();
    let names: Vec<_> = cases.iter().map(|case| case.name).collect();
    let chosen: Vec<(usize, usize)> = (0..cases.len())
        .filter(|place| {
            filter
                .as_ref()
                .is_none_or(|filter| names[*place].contains(filter.as_str()))
        })
        .map(|place| (place, place_of(&names, cases[place].baseline)))
        .collect();
    let mut samples: Vec<Samples> = chosen.iter().map(|_| Samples::default()).collect();
    for _ in 0..TURNS {
        for ((case, base), samples) in chosen.iter().zip(&mut samples) {
            match cases.get_disjoint_mut([*case, *base]) {
                Ok([case, base]) => samples.compare(case, base),
                Err(_) => samples.whole.extend((0..ROUNDS).map(|_| time(&mut cases[*case]))),
            }
        }
    }
    println!(
        "{:<44} {:>9} {:>9} {:>9}   [quartiles]",
        "case", "quiet ns", "over base", "median"
    );
    for ((case, _), samples) in chosen.into_iter().zip(samples) {
        samples.print(names[case]);
    }
}

fn place_of(names: &[&str], baseline: &str) -> usize {
    let place = names.iter().position(|name| *name == baseline);
    place.expect("each baseline is a case")
}

impl Samples {
    /// Runs one turn of a case beside its baseline.
    fn compare(&mut self, case: &mut Case, base: &mut Case) {
        for _ in 0..ROUNDS {
            let before = time(base);
            let (first, second) = (time(case), time(case));
            let after = time(base);
            self.base.extend([before, after]);
            self.whole.extend([first, second]);
            self.over.push((first + second - before - after) / 2.0);
        }
    }

    fn print(self, name: &str) {
        let whole = quiet(self.whole);
        if self.base.is_empty() {
            println!("{name:<44} {whole:>9.1}");
            return;
        }
        let over = whole - quiet(self.base);
        let [low, median, high] = quartiles(self.over);
        println!("{name:<44} {whole:>9.1} {over:>9.1} {median:>9.1}   [{low:.1} .. {high:.1}]");
    }
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
