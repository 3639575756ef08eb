//! The siege of a server, and the hidden roles of its child processes.

#![allow(clippy::print_stdout, reason = "prints the report")]

use std::{io, path::PathBuf, process::ExitCode, time::Duration};

use campanile_siege::{serve, siege::Siege, worker};
use clap::{Parser, Subcommand, ValueEnum};

/// Besieges servers with hostile clients, and compares what became of the good ones.
#[derive(Debug, Parser)]
struct Flags {
    #[command(subcommand)]
    role: Option<Role>,
    /// Seconds of the siege; 20 is a short form.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// The servers to besiege.
    #[arg(long, value_enum, default_value_t = Choice::Both)]
    server: Choice,
    /// Chooses pauses and inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    Campanile,
    Axum,
    Both,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Serves the inherited listeners.
    #[command(hide = true)]
    Serve {
        kind: serve::ServerKind,
        folder: PathBuf,
        generation: u32,
    },
    /// Records into a shared directory until it is killed.
    #[command(hide = true)]
    Worker { directory: PathBuf },
}

fn main() -> io::Result<ExitCode> {
    let flags = Flags::parse();
    match flags.role {
        Some(Role::Serve {
            kind,
            folder,
            generation,
        }) => serve::run(kind, &folder, generation).map(|()| ExitCode::SUCCESS),
        Some(Role::Worker { directory }) => worker::run(&directory).map(|()| ExitCode::SUCCESS),
        None => besiege(&flags),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn besiege(flags: &Flags) -> io::Result<ExitCode> {
    fastrand::seed(flags.seed);
    let kinds = serve::ServerKind::value_variants().iter().copied();
    let mut code = ExitCode::SUCCESS;
    for kind in kinds.filter(|kind| match flags.server {
        Choice::Both => true,
        Choice::Campanile => *kind == serve::ServerKind::Campanile,
        Choice::Axum => *kind == serve::ServerKind::Axum,
    }) {
        let report = Siege::new(kind, Duration::from_secs(flags.seconds)).run().await?;
        println!("{report}");
        if kind == serve::ServerKind::Campanile && !report.violations().is_empty() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
