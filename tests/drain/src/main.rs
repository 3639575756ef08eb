//! The program of `cargo xtask drain`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "prints a report")]

use std::{io, net::SocketAddr, process::ExitCode};

use campanile_drain::{
    client::h2::RequestKind,
    compare::{Comparison, TableFormat},
    load::{Load, LoadKind},
    load_command::{LoadCommand, LoadCommands},
    peers::Peer,
};
use clap::{Parser, Subcommand};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Shuts servers down under load and counts lost requests.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask drain", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    comparison: Flags,
}

#[derive(Debug, clap::Args)]
struct Flags {
    /// The number of shutdowns of each peer [default: 100, with --long 1000].
    #[arg(long)]
    stops: Option<u32>,
    /// The peers [default: all].
    #[arg(long, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Only campanile, with 1,000 shutdowns and at least a million requests.
    #[arg(long)]
    long: bool,
    /// The number of connections in the burst of each shutdown.
    #[arg(long, default_value_t = 2000)]
    burst: usize,
    /// The random seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print Markdown tables.
    #[arg(long)]
    markdown: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Serve as a Rust peer.
    #[command(hide = true)]
    Serve { peer: Peer, address: SocketAddr },
    /// Make a load of one kind, controlled by commands on standard input.
    #[command(hide = true)]
    Load {
        kind: LoadKind,
        address: SocketAddr,
        connections: usize,
        #[arg(long)]
        grpc: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.part {
        Some(Part::Serve { peer, address }) => serve(peer, address).map(|()| ExitCode::SUCCESS),
        Some(Part::Load {
            kind,
            address,
            connections,
            grpc,
        }) => {
            let mut load = Load::new(kind, address, connections);
            load.request_kind = if grpc { RequestKind::Grpc } else { RequestKind::Get };
            run_load(load)
        }
        None => compare(&arguments.comparison),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

#[tokio::main]
async fn serve(peer: Peer, address: SocketAddr) -> io::Result<()> {
    peer.serve(address).await
}

/// Makes a load; prints `connected` once its connections are open, and its outcomes at the end.
#[tokio::main(flavor = "current_thread")]
async fn run_load(load: Load) -> io::Result<ExitCode> {
    let (sender, commands) = LoadCommands::channel();
    std::thread::spawn(move || read_commands(&sender));
    tokio::select! {
        counts = load.run(commands.clone(), || println!("connected")) => {
            println!("{}", serde_json::to_string(&counts)?);
            Ok(ExitCode::SUCCESS)
        }
        () = commands.wait_for(LoadCommand::Abort) => Ok(ExitCode::FAILURE),
    }
}

/// Reads one command per line until standard input is closed.
fn read_commands(commands: &watch::Sender<LoadCommand>) {
    for line in io::stdin().lines().map_while(Result::ok) {
        match line.as_str() {
            "burst" => commands.send_replace(LoadCommand::Burst),
            "finish" => commands.send_replace(LoadCommand::Finish),
            _ => continue,
        };
    }
    commands.send_replace(LoadCommand::Abort);
}

#[tokio::main]
async fn compare(flags: &Flags) -> io::Result<ExitCode> {
    let comparison = Comparison::new(flags.peers.clone(), flags.stops, flags.long)
        .with_burst(flags.burst)
        .with_seed(flags.seed);
    let mut terminated = signal(SignalKind::terminate())?;
    // Dropping the comparison ends its child processes.
    let table = tokio::select! {
        table = comparison.run() => table?,
        caught = tokio::signal::ctrl_c() => {
            caught?;
            return Err(io::Error::other("interrupted"));
        }
        _ = terminated.recv() => return Err(io::Error::other("terminated")),
    };
    let format = if flags.markdown {
        TableFormat::Markdown
    } else {
        TableFormat::Plain
    };
    print!("{}", table.with_format(format));
    Ok(if table.campanile_lost_nothing() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
