//! The cost of a scrape.

use campanile_recorder::Format;

use crate::{
    stores::{Store, ours},
    timing::{quartiles, quiet, thread_time},
};

const ROUTES: usize = 10_000;
const ROUNDS: usize = 41;

pub(crate) fn run(filter: &str) {
    let mut stores: Vec<(String, Store)> = Store::ALL
        .into_iter()
        .map(|(name, make)| (format!("render: {name}"), make()))
        .collect();
    let open_metrics = Store::Ours(ours(), Format::OpenMetrics);
    stores.insert(
        1,
        ("render: campanile-recorder, OpenMetrics".to_owned(), open_metrics),
    );
    stores.retain(|(name, _)| name.contains(filter));
    for (_, store) in &stores {
        (0..ROUTES).for_each(|route| store.fill(route));
    }
    println!(
        "\n{:<40} {:>9} {:>9} {:>9}   [quartiles]",
        "10,000 counters, 10,000 histograms", "quiet ms", "MB", "median"
    );
    let mut took = vec![Vec::new(); stores.len()];
    let mut lengths = vec![0; stores.len()];
    for round in 0..ROUNDS {
        // Forwards and backwards, so that no case always follows the same one.
        let order: Vec<usize> = match round % 2 {
            0 => (0..stores.len()).collect(),
            _ => (0..stores.len()).rev().collect(),
        };
        for place in order {
            let start = thread_time();
            let text = stores[place].1.render();
            took[place].push((thread_time() - start) / 1e6);
            lengths[place] = text.len();
        }
    }
    for (((name, _), took), length) in stores.iter().zip(took).zip(lengths) {
        let quiet = quiet(took.clone());
        let [low, median, high] = quartiles(took);
        println!(
            "{name:<40} {quiet:>9.1} {:>9.1} {median:>9.1}   [{low:.1} .. {high:.1}]",
            length as f64 / 1e6
        );
    }
}
