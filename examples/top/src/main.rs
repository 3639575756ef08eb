//! `campanile-top 127.0.0.1:6060`: the live page of an admin port, in a terminal.
//!
//! Where there is no terminal, or with `--once`, it prints one look as plain text and ends.
#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "a program says why it ends")]

mod once;
mod terminal;

use std::{
    io::{IsTerminal, stdin, stdout},
    process::ExitCode,
};

use campanile_top::{Target, client::Port};
use clap::Parser;

/// Shows a service in a terminal, by its admin port.
///
/// Keys: q, Esc and Ctrl-C leave; / filters the requests in flight by a part of their id; arrows, page keys, Home and End
/// scroll them; t shows a second or more in each cell. NO_COLOR is honoured.
#[derive(Parser)]
#[command(name = "campanile-top")]
struct Args {
    /// The admin port: HOST:PORT, unix:PATH or http://HOST:PORT/PATH.
    #[arg(default_value = "127.0.0.1:6060")]
    target: Target,
    /// Prints one look as plain text, and ends; so it does where there is no terminal.
    #[arg(long)]
    once: bool,
    /// The port's token, for a port that wants one. Others on the machine see it in the list of processes.
    #[arg(long)]
    token: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let target = args.target.to_string();
    let mut port = Port::new(args.target);
    if let Some(token) = &args.token {
        port = match port.with_token(token) {
            Ok(port) => port,
            Err(error) => return failed(&target, &error.to_string()),
        };
    }
    let plain = args.once || !stdout().is_terminal() || !stdin().is_terminal();
    let shown = if plain {
        once::print(&port, &target).await
    } else {
        terminal::show(port, &target).await
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => failed(&target, &why),
    }
}

fn failed(target: &str, why: &str) -> ExitCode {
    eprintln!("campanile-top: {target} {why}");
    ExitCode::FAILURE
}
