//! The cost of open pages.

use std::{
    thread,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use crate::{
    clients::{finish, start},
    port::{Port, filled},
};

const SECONDS: u64 = 60;

pub(crate) fn run() {
    println!(
        "\n{:<40} {:>12} {:>10} {:>10} {:>10}",
        "pages, for a minute each", "% of a core", "KiB before", "KiB after", "events"
    );
    for (name, counters, histograms) in [
        ("200 series", 100, 5),
        ("10,000 counters, 1,000 histograms", 10_000, 1_000),
    ] {
        let port = Port::start(filled(counters, histograms));
        // The first samples allocate memory that later ones reuse.
        thread::sleep(Duration::from_secs(5));
        for pages in [0_u64, 50] {
            let arguments = [
                "pages",
                &port.address.to_string(),
                &pages.to_string(),
                &SECONDS.to_string(),
            ];
            let readers = start(&arguments.map(str::to_owned));
            thread::sleep(Duration::from_secs(2));
            let (begun, before, memory) = (Instant::now(), processor_time(), resident());
            thread::sleep(Duration::from_secs(SECONDS - 4));
            let share = 100.0 * (processor_time() - before).as_secs_f64() / begun.elapsed().as_secs_f64();
            let after = resident();
            let events = finish(readers);
            println!(
                "{:<40} {share:>12.2} {memory:>10} {after:>10} {:>10}",
                format!("{name}, {pages} pages"),
                events[0]
            );
        }
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Reads how much memory is resident, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
