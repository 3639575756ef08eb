//! Ends a million exchanges in every way there is, and wants the numbers to add up.

#![allow(clippy::print_stdout, reason = "a program that reports")]

use std::process::ExitCode;

use campanile_tests::torture::{Torture, expect_panics};
use clap::Parser;

/// Ends exchanges in every way there is, over HTTP/1 and HTTP/2 on loopback, and adds up what was counted.
#[derive(Parser)]
struct Arguments {
    /// How many exchanges to make.
    #[arg(long, default_value_t = 1_000_000)]
    exchanges: u64,
    /// What the chance begins with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many clients there are at once.
    #[arg(long, default_value_t = 96)]
    clients: u64,
    /// Makes 20,000 exchanges.
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
    if report.wrong.is_empty() {
        println!("every gauge is zero, every exchange has one outcome");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
