//! `campanile-top 127.0.0.1:6060`: the live page of an admin port in a terminal.
//!
//! Without a terminal, or with `--once`, it prints one snapshot as plain text.
#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "prints its errors")]

mod once;
mod terminal;

use std::{
    io::{IsTerminal, stdin, stdout},
    process::ExitCode,
};

use campanile_top::{Target, client::AdminClient};
use clap::Parser;

/// Shows the admin port of a service in a terminal.
///
/// Keys: q, Esc and Ctrl-C quit. / filters the requests in flight by a part of their ID. Arrows, page keys, Home and End scroll
/// them. t switches between seconds and the full history. NO_COLOR is supported.
#[derive(Parser)]
#[command(name = "campanile-top")]
struct Args {
    /// Address of the admin port: HOST:PORT, unix:PATH or http://HOST:PORT/PATH.
    #[arg(default_value = "127.0.0.1:6060")]
    target: Target,
    /// Prints one snapshot as plain text. The default without a terminal.
    #[arg(long)]
    once: bool,
    /// Token of the admin port. It is visible to other users in the process list.
    #[arg(long)]
    token: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let target = args.target.to_string();
    let mut client = AdminClient::new(args.target);
    if let Some(token) = &args.token {
        client = match client.with_token(token) {
            Ok(client) => client,
            Err(error) => return fail(&target, &error.to_string()),
        };
    }
    let plain = args.once || !stdout().is_terminal() || !stdin().is_terminal();
    let result = if plain {
        once::print(&client, &target).await
    } else {
        terminal::show(client, &target).await
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&target, &error),
    }
}

fn fail(target: &str, error: &str) -> ExitCode {
    eprintln!("campanile-top: {target}: {error}");
    ExitCode::FAILURE
}
