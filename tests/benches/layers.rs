//! The cost of the layers per request, each case compared with its baseline.
//!
//! `cargo bench -p campanile-tests --bench layers [-- FILTER]`. A round runs baseline, case, case, baseline, several
//! hundred requests each, so that other load on the machine affects both. The cases take turns, so that a disturbance
//! affects a part of each and not all of one. Several processes repeat the measurement one after the other, because the
//! placement of code, stack and heap is random per process and shifts a case by tens of nanoseconds.
//!
//! Prints nanoseconds of processor time per request: the 5th percentile of the batches of the case; its difference to that
//! of the baseline, as the median, lowest and highest value of the processes; and the median paired difference.

#![allow(clippy::print_stdout, reason = "prints its figures")]

use std::{env, process::Command};

use campanile_tests::bench_cases::{self, BenchCase};
use rustix::time::{ClockId, clock_gettime};

const PROCESSES: usize = 5;
/// Turns of each case in a process, and the rounds of a turn.
const TURNS: usize = 5;
const ROUNDS: usize = 60;
const REQUESTS: u32 = 400;

/// The environment variable of a measuring child process.
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

/// Runs the measuring processes, and prints their results.
fn report(filter: Option<&str>) {
    let runs: Vec<String> = (0..PROCESSES)
        .map(|_| {
            let program = env::current_exe().expect("the program is running");
            let output = Command::new(program)
                .args(filter)
                .env(MEASURES, "")
                .output()
                .expect("the program starts again");
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).expect("the output is UTF-8")
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

/// The measurements of one case.
#[derive(Default)]
struct Samples {
    base: Vec<f64>,
    whole: Vec<f64>,
    over: Vec<f64>,
}

/// Measures, and prints for each case its name, its 5th percentile, the difference to that of the baseline, and the median
/// paired difference.
fn measure(chosen: impl Fn(&str) -> bool) {
    let mut cases = bench_cases::all();
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
    /// Runs one turn of a case and its baseline.
    fn compare(&mut self, case: &mut BenchCase, base: &mut BenchCase) {
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

/// Returns the 5th percentile.
fn quiet(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 20]
}

/// Returns the processor time of this thread per request over one batch, in nanoseconds.
fn time(case: &mut BenchCase) -> f64 {
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
