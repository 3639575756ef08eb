//! What `cargo xtask drain` runs.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports")]

use std::{io, net::SocketAddr, process::ExitCode};

use campanile_drain::{
    client::h2::Ask,
    compare::{Comparison, Form},
    load::{Kind, Load},
    order::{Order, Orders},
    peers::Peer,
};
use clap::{Parser, Subcommand};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Stops servers under load and counts what their clients lost.
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
    /// How often each peer is stopped [default: 100, with --long 1000].
    #[arg(long)]
    stops: Option<u32>,
    /// Who is stopped; all unless named.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Campanile alone, 1,000 stops and at least a million requests.
    #[arg(long)]
    long: bool,
    /// How many connections come in a burst at each stop.
    #[arg(long, default_value_t = 2000)]
    burst: usize,
    /// What the chance begins with.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints the tables as Markdown.
    #[arg(long)]
    markdown: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Serves as a Rust peer.
    #[command(hide = true)]
    Serve { peer: Peer, address: SocketAddr },
    /// Makes a load of one kind, told on the standard input what to do.
    #[command(hide = true)]
    Load {
        kind: Kind,
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
            load.ask = if grpc { Ask::Grpc } else { Ask::Get };
            ask(load)
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

/// Makes a load; says `connected` when its connections are there, and its tally at the end.
#[tokio::main(flavor = "current_thread")]
async fn ask(load: Load) -> io::Result<ExitCode> {
    let (sender, orders) = Orders::channel();
    std::thread::spawn(move || take_orders(&sender));
    tokio::select! {
        tally = load.run(orders.clone(), || println!("connected")) => {
            println!("{}", serde_json::to_string(&tally)?);
            Ok(ExitCode::SUCCESS)
        }
        () = orders.until(Order::Abandon) => Ok(ExitCode::FAILURE),
    }
}

/// Reads orders, a line each, until whoever gives them is gone.
fn take_orders(orders: &watch::Sender<Order>) {
    for line in io::stdin().lines().map_while(Result::ok) {
        match line.as_str() {
            "burst" => orders.send_replace(Order::Burst),
            "finish" => orders.send_replace(Order::Finish),
            _ => continue,
        };
    }
    orders.send_replace(Order::Abandon);
}

#[tokio::main]
async fn compare(flags: &Flags) -> io::Result<ExitCode> {
    let comparison = Comparison::new(flags.peers.clone(), flags.stops, flags.long)
        .with_burst(flags.burst)
        .with_seed(flags.seed);
    let mut terminated = signal(SignalKind::terminate())?;
    // What was started is ended when the comparison is dropped.
    let table = tokio::select! {
        table = comparison.run() => table?,
        caught = tokio::signal::ctrl_c() => {
            caught?;
            return Err(io::Error::other("interrupted"));
        }
        _ = terminated.recv() => return Err(io::Error::other("terminated")),
    };
    let form = if flags.markdown {
        Form::Markdown
    } else {
        Form::Plain
    };
    print!("{}", table.in_form(form));
    Ok(if table.is_as_promised() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
