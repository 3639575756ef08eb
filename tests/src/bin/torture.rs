//! Makes a million exchanges that end in every possible way, and checks that the totals agree.

#![allow(clippy::print_stdout, reason = "prints a report")]

use std::process::ExitCode;

use campanile_tests::torture::{Torture, expect_panics};
use clap::Parser;

/// Makes exchanges that end in every possible way, over HTTP/1 and HTTP/2 on loopback, and checks the recorded totals.
#[derive(Parser)]
struct Arguments {
    /// The number of exchanges.
    #[arg(long, default_value_t = 1_000_000)]
    exchanges: u64,
    /// The random seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of concurrent clients.
    #[arg(long, default_value_t = 96)]
    clients: u64,
    /// Make 20,000 exchanges.
    #[arg(long)]
    short: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    expect_panics();
    let torture = Torture {
        exchanges: if arguments.short {
            20_000
        } else {
            arguments.exchanges
        },
        seed: arguments.seed,
        clients: arguments.clients,
        progress: true,
    };
    let report = torture.run().await;
    println!("{report}");
    if report.mismatches.is_empty() {
        println!("every gauge is zero, every exchange has one outcome");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
