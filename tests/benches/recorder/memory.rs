//! The resident memory of series and observations, in a child process.

use std::process::Command;

use crate::stores::Store;

/// The argument of the child process.
pub(crate) const CHILD: &str = "--memory-of";

const ROUTES: usize = 10_000;
const OBSERVATIONS: u32 = 5_000_000;

/// The growth of resident memory in bytes.
pub(crate) struct Grown {
    series: u64,
    observed: u64,
    scraped: u64,
}

impl Grown {
    pub(crate) fn print(&self) {
        println!("{} {} {}", self.series, self.observed, self.scraped);
    }
}

pub(crate) fn run(filter: &str) {
    println!(
        "\n{:<40} {:>9} {:>14} {:>14}",
        "memory", "B/series", "5 M observed", "first scrape"
    );
    for (name, _) in Store::ALL {
        let title = format!("memory: {name}");
        if !title.contains(filter) {
            continue;
        }
        let program = std::env::current_exe().unwrap();
        let output = Command::new(program).args([CHILD, name]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<u64> = text
            .split_whitespace()
            .map(|word| word.parse().unwrap())
            .collect();
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        println!(
            "{title:<40} {:>9} {:>14} {:>14}",
            numbers[0],
            megabytes(numbers[1]),
            megabytes(numbers[2])
        );
    }
}

/// Measures one store.
pub(crate) fn child(name: &str) -> Grown {
    let (_, make) = Store::ALL.into_iter().find(|(known, _)| *known == name).unwrap();
    // The series are kept, because freed memory would be reused and not be measured.
    let before = resident();
    let many = make();
    (0..ROUTES).for_each(|route| many.fill(route));
    let series = resident().saturating_sub(before) / (2 * ROUTES as u64);
    let store = make();
    let empty = resident();
    store.observe(OBSERVATIONS);
    let observed = resident().saturating_sub(empty);
    drop(store.render());
    let scraped = resident().saturating_sub(empty);
    Grown {
        series,
        observed,
        scraped,
    }
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: u64 = line.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}
