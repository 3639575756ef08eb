//! Development commands; `cargo xtask` prints the list.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "commands print their results"
)]

mod callgrind;
mod ci;
mod commands;
mod error;
mod features;
mod fuzz;
mod metadata;
mod step;
mod summary;
mod targets;
mod tidy;

use std::process::ExitCode;

use crate::error::Error;
use crate::step::{Outcome, skip_nothing};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Skipped(why)) => {
            println!("skipped: {why}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<Outcome, Error> {
    let Some((name, rest)) = args.split_first() else {
        print!("{}", commands::help());
        return Ok(Outcome::Done);
    };
    if ["help", "-h", "--help"].contains(&name.as_str()) {
        print!("{}", commands::help());
        return Ok(Outcome::Done);
    }
    let outcome = commands::find(name, rest).and_then(|call| call.run())?;
    outcome.or_fail(skip_nothing())
}
