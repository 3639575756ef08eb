//! The duration of a scrape, and its effect on the latency of the service.

use std::net::SocketAddr;

use axum::{Router, routing::get};

use crate::{
    clients::{finish, start},
    port::{Port, filled},
};

/// Names with numbers of counters and histograms.
const SIZES: [(&str, usize, usize); 3] = [
    ("a few series", 100, 10),
    ("10,000 counters", 10_000, 0),
    ("1,000 histograms", 0, 1_000),
];
const ENCODINGS: [&str; 2] = ["identity", "gzip"];
const ROUNDS: usize = 6;
const CONNECTIONS: usize = 8;
/// Milliseconds between scrapes, fifty times as frequent as in production.
const PERIOD: usize = 200;

#[derive(Default)]
struct Row {
    app: Vec<f64>,
    scrapes: Vec<f64>,
    length: f64,
}

pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let app = listener.local_addr().unwrap();
    let router: Router = Router::new().route("/", get(|| async { "hello" }));
    runtime.spawn(async { axum::serve(listener, router).await });

    println!(
        "\n{:<28} {:>9} {:>9} {:>9} {:>10} | {:>8} {:>8} {:>8} {:>8}",
        "one scrape each 200 ms", "quiet ms", "median", "worst", "bytes", "app p50", "p90", "p99", "p99.9"
    );
    for (name, counters, histograms) in SIZES {
        let port = Port::start(filled(counters, histograms));
        let mut rows = [const { None }; 3].map(|_: Option<()>| Row::default());
        for round in 0..ROUNDS {
            // Forwards and backwards, so that no case always follows the same one.
            let order: [usize; 3] = match round % 2 {
                0 => [0, 1, 2],
                _ => [2, 1, 0],
            };
            for place in order {
                let encoding = place.checked_sub(1).map(|place| ENCODINGS[place]);
                phase(app, port.address, encoding, &mut rows[place]);
            }
        }
        print(&format!("{name}, no scrapes"), &mut rows[0]);
        for (encoding, row) in ENCODINGS.iter().zip(&mut rows[1..]) {
            print(&format!("{name}, {encoding}"), row);
        }
    }
    runtime.shutdown_background();
}

fn phase(app: SocketAddr, admin: SocketAddr, encoding: Option<&str>, row: &mut Row) {
    let arguments = |kind: &str, address: SocketAddr, number: usize| {
        vec![kind.to_owned(), address.to_string(), number.to_string()]
    };
    let scraper = encoding.map(|encoding| {
        let mut arguments = arguments("scrape", admin, PERIOD);
        arguments.push(encoding.to_owned());
        start(&arguments)
    });
    let load = start(&arguments("load", app, CONNECTIONS));
    row.app.extend(finish(load));
    if let Some(scraper) = scraper {
        for scrape in finish(scraper).chunks(2) {
            row.scrapes.push(scrape[0]);
            row.length = scrape[1];
        }
    }
}

fn print(name: &str, row: &mut Row) {
    let scrapes = match row.scrapes.is_empty() {
        true => format!("{:>9} {:>9} {:>9} {:>10}", "", "", "", ""),
        false => {
            let [quiet, median, worst] = [0.05, 0.5, 1.0].map(|part| at(&mut row.scrapes, part));
            format!("{quiet:>9.2} {median:>9.2} {worst:>9.2} {:>10}", row.length)
        }
    };
    let [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map(|part| at(&mut row.app, part));
    println!("{name:<28} {scrapes} | {p50:>8.3} {p90:>8.3} {p99:>8.3} {p999:>8.3}");
}

fn at(values: &mut [f64], part: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part) as usize]
}
