//! The cost of recording one value through a handle.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    stores::{self, Official, handles, seconds},
    timing::{SecondThread, Work, pin_to, quartiles, quiet, time},
};

const ROUNDS: usize = 301;
const COUNTS: u32 = 20_000;

/// A number with two cache lines of its own, because processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct CacheAligned(AtomicU64);

struct Case {
    name: String,
    work: Work,
    /// Background work of the recorder, done here between the batches.
    after: Option<Box<dyn Fn()>>,
}

/// Makes a case. The loop is inside the closure, so that its call is not measured.
fn repeat(name: &str, count: impl Fn(u32) + Send + Sync + 'static) -> Case {
    Case {
        name: name.to_owned(),
        work: Arc::new(move |times| (0..times).for_each(&count)),
        after: None,
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let ours = stores::ours();
    let (exporter, upkeep) = stores::exporter();
    let official = Official::new();
    let of_ours = handles(&ours, 0);
    let of_exporter = handles(&exporter, 0);
    let of_official = official.handles(0);

    for (name, (counter, gauge, histogram)) in [
        ("campanile-recorder", of_ours),
        ("metrics-exporter-prometheus", of_exporter),
    ] {
        cases.push(repeat(&format!("counter: {name}"), move |_| counter.increment(1)));
        cases.push(repeat(&format!("gauge: {name}"), move |_| gauge.increment(1.0)));
        cases.push(repeat(&format!("histogram: {name}"), move |time| {
            histogram.record(seconds(time));
        }));
    }
    // It buffers observations until its upkeep, which a program runs about every five seconds.
    cases.last_mut().unwrap().after = Some(Box::new(move || upkeep.run_upkeep()));
    let (counter, gauge, histogram) = of_official;
    cases.push(repeat("counter: prometheus-client", move |_| {
        counter.inc();
    }));
    cases.push(repeat("gauge: prometheus-client", move |_| {
        gauge.inc();
    }));
    cases.push(repeat("histogram: prometheus-client", move |time| {
        histogram.observe(seconds(time));
    }));
    let kind = |case: &Case| ["counter", "gauge", "histogram"].map(|kind| case.name.starts_with(kind));
    cases.sort_by_key(|case| std::cmp::Reverse(kind(case)));
    cases
}

pub(crate) fn run(filter: &str) {
    let bare = CacheAligned::default();
    let base = repeat("bare atomic", move |_| {
        bare.0.fetch_add(1, Relaxed);
    });
    let second_thread = SecondThread::new();
    pin_to(0);
    let cases = cases();
    for threads in [1, 2] {
        let time = |case: &Case| {
            let took = match threads {
                1 => time(&case.work, COUNTS).processor,
                _ => second_thread.time(&case.work, COUNTS),
            };
            if let Some(after) = &case.after {
                after();
            }
            took
        };
        println!(
            "\n{:<40} {:>9} {:>9} {:>9}   [quartiles]",
            format!(
                "per count, {threads} thread{}",
                if threads == 1 { "" } else { "s" }
            ),
            "quiet ns",
            "bare",
            "median"
        );
        for case in cases.iter().filter(|case| case.name.contains(filter)) {
            let (mut bases, mut wholes) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let before = time(&base);
                wholes.extend([time(case), time(case)]);
                bases.extend([before, time(&base)]);
            }
            let (quiet, bare) = (quiet(wholes.clone()), quiet(bases));
            let [low, median, high] = quartiles(wholes);
            println!(
                "{:<40} {quiet:>9.1} {bare:>9.1} {median:>9.1}   [{low:.1} .. {high:.1}]",
                case.name
            );
        }
    }
}
