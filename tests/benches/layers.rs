//! What the layers cost per request, each case beside its baseline in the same rounds.
//!
//! `cargo bench -p campanile-tests --bench layers [-- FILTER]`. A round runs baseline, case, case, baseline, some
//! hundred requests each, so that what else the machine does falls on both; the cases take turns for their rounds, so that
//! a neighbour at work disturbs a part of each and not all of one. All of it is done by several processes one after the
//! other: where code, stack and heap come to lie is drawn for each, and shifts a case by tens of nanoseconds.
//!
//! Prints nanoseconds of processor time per request: by how much the quietest twentieth of the case's batches is above
//! that of its baseline's, as the middle one of the processes, the lowest and the highest; and the medians of the
//! rounds' paired differences, the middle one of them.

#![allow(clippy::print_stdout, reason = "prints its figures")]

use std::{env, process::Command};

use campanile_tests::cases::{self, Case};
use rustix::time::{ClockId, clock_gettime};

const PROCESSES: usize = 5;
/// Turns of each case in a process, and the rounds of a turn.
const TURNS: usize = 5;
const ROUNDS: usize = 60;
const REQUESTS: u32 = 400;

/// In the environment of a process that only measures.
const MEASURES: &str = "CAMPANILE_BENCH_MEASURES";

fn main() {
    let filter = env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let chosen = |name: &str| {
        filter
            .as_ref()
            .is_none_or(|filter| name.contains(filter.as_str()))
    };
    if env::var_os(MEASURES).is_some() {
        measure(chosen);
    } else {
        report(filter.as_deref());
    }
}

/// Runs the processes that measure, and prints what they found.
fn report(filter: Option<&str>) {
    let runs: Vec<String> = (0..PROCESSES)
        .map(|_| {
            let program = env::current_exe().expect("it runs");
            let output = Command::new(program)
                .args(filter)
                .env(MEASURES, "")
                .output()
                .expect("it can be run again");
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).expect("it prints text")
        })
        .collect();
    println!(
        "{:<52} {:>8} {:>9}   {:<18} {:>7}",
        "case", "quiet ns", "over base", "[lowest .. highest]", "median"
    );
    for (row, line) in runs[0].lines().enumerate() {
        let name = line.split('\t').next().unwrap_or_default();
        let column = |column: usize| -> Vec<f64> {
            let rows = runs.iter().filter_map(|run| run.lines().nth(row));
            let values = rows.filter_map(|line| line.split('\t').nth(column)?.parse().ok());
            let mut values: Vec<f64> = values.collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (quiet, over, median) = (column(1), column(2), column(3));
        print!("{name:<52} {:>8.1}", middle(&quiet));
        if let (Some(lowest), Some(highest)) = (over.first(), over.last()) {
            let range = format!("[{lowest:.1} .. {highest:.1}]");
            print!(" {:>9.1}   {range:<18} {:>8.1}", middle(&over), middle(&median));
        }
        println!();
    }
}

fn middle(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

/// What was measured of one case.
#[derive(Default)]
struct Samples {
    base: Vec<f64>,
    whole: Vec<f64>,
    over: Vec<f64>,
}

/// Measures, and prints a line for each case: its name, its quiet time, and over the baseline this and the median.
fn measure(chosen: impl Fn(&str) -> bool) {
    let mut cases = cases::all();
    let names: Vec<_> = cases.iter().map(|case| case.name).collect();
    let places: Vec<(usize, usize)> = (0..cases.len())
        .filter(|place| chosen(names[*place]))
        .map(|place| (place, place_of(&names, cases[place].baseline)))
        .collect();
    let mut samples: Vec<Samples> = places.iter().map(|_| Samples::default()).collect();
    for _ in 0..TURNS {
        for ((case, base), samples) in places.iter().zip(&mut samples) {
            match cases.get_disjoint_mut([*case, *base]) {
                Ok([case, base]) => samples.compare(case, base),
                Err(_) => samples.whole.extend((0..ROUNDS).map(|_| time(&mut cases[*case]))),
            }
        }
    }
    for ((case, _), samples) in places.into_iter().zip(samples) {
        let name = names[case];
        let whole = quiet(samples.whole);
        if samples.base.is_empty() {
            println!("{name}\t{whole}");
        } else {
            let over = whole - quiet(samples.base);
            println!("{name}\t{whole}\t{over}\t{}", median(samples.over));
        }
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

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    middle(&values)
}
