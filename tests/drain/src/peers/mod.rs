//! The servers that are compared, each set up as its own documentation tells its users to.
//!
//! All listen with the same backlog. The Rust ones answer after [`HANDLER`], so that requests are in flight at any moment;
//! nginx and haproxy answer at once.

mod axum;
mod axum_server;
mod campanile;
mod debian;
mod hyper_util;
mod service;
mod tonic;

use std::{
    io,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use clap::ValueEnum;
use rustix::process::Signal;

use crate::client::h2::Ask;

/// How many connections may wait in each listener's queue. The kernel cuts it to `net.core.somaxconn`.
pub const BACKLOG: u32 = 4096;

/// How long a handler takes, in the Rust peers.
pub const HANDLER: Duration = Duration::from_millis(1);

/// Who is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[allow(clippy::exhaustive_enums, reason = "the rows of the comparison")]
pub enum Peer {
    /// `axum::serve` with graceful shutdown.
    Axum,
    /// hyper-util's `GracefulShutdown`, by its example.
    HyperUtil,
    /// axum-server's `Handle::graceful_shutdown`.
    AxumServer,
    /// tonic's own server with a shutdown signal.
    Tonic,
    /// nginx, by QUIT.
    Nginx,
    /// haproxy, by USR1.
    Haproxy,
    /// campanile-server without a drain time.
    Campanile,
    /// campanile-server with half a second of drain time.
    CampanileDrain,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Addresses {
    /// For HTTP/1.
    pub h1: SocketAddr,
    /// For HTTP/2 by prior knowledge: the same, unless the server cannot tell them apart.
    pub h2: SocketAddr,
}

impl Peer {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Axum,
        Self::HyperUtil,
        Self::AxumServer,
        Self::Tonic,
        Self::Nginx,
        Self::Haproxy,
        Self::Campanile,
        Self::CampanileDrain,
    ];

    /// Returns its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum::serve",
            Self::HyperUtil => "hyper-util",
            Self::AxumServer => "axum-server",
            Self::Tonic => "tonic",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Campanile => "campanile",
            Self::CampanileDrain => "campanile, drain 0.5 s",
        }
    }

    /// Tells whether the row is about this repository.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Campanile | Self::CampanileDrain)
    }

    /// Returns its version.
    ///
    /// # Errors
    ///
    /// If it is a program that cannot be started here.
    pub fn version(self) -> io::Result<String> {
        match self {
            Self::Axum => locked("axum"),
            Self::HyperUtil => locked("hyper-util"),
            Self::AxumServer => locked("axum-server"),
            Self::Tonic => locked("tonic"),
            Self::Nginx => debian::version("nginx"),
            Self::Haproxy => debian::version("haproxy"),
            Self::Campanile | Self::CampanileDrain => Ok(env!("CARGO_PKG_VERSION").to_owned()),
        }
    }

    /// Returns the signal that asks it to end when all is answered.
    #[must_use]
    pub fn signal(self) -> Signal {
        match self {
            Self::Nginx => Signal::QUIT,
            Self::Haproxy => Signal::USR1,
            _ => Signal::TERM,
        }
    }

    /// Returns what its HTTP/2 clients ask.
    #[must_use]
    pub fn ask(self) -> Ask {
        if self == Self::Tonic { Ask::Grpc } else { Ask::Get }
    }

    /// Tells whether it needs a port of its own for HTTP/2 in clear text.
    #[must_use]
    pub fn needs_two_ports(self) -> bool {
        // Before 1.25.1 a port of nginx speaks either.
        self == Self::Nginx
    }

    /// Returns the command that starts it; what it needs besides goes into `folder`.
    ///
    /// # Errors
    ///
    /// If its configuration cannot be written.
    pub fn command(self, addresses: Addresses, folder: &Path) -> io::Result<Command> {
        let mut command = match self {
            Self::Nginx => debian::nginx(addresses, folder)?,
            Self::Haproxy => debian::haproxy(addresses, folder)?,
            _ => {
                let mut command = Command::new(std::env::current_exe()?);
                let name = self.to_possible_value().expect("no peer is skipped");
                command.args(["serve", name.get_name(), &addresses.h1.to_string()]);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(command)
    }

    /// Serves, as a Rust peer, until the process is told to end and all is answered.
    ///
    /// # Errors
    ///
    /// As the server has them, and if the peer is a program.
    pub async fn serve(self, address: SocketAddr) -> io::Result<()> {
        match self {
            Self::Axum => axum::serve(address).await,
            Self::HyperUtil => hyper_util::serve(address).await,
            Self::AxumServer => axum_server::serve(address).await,
            Self::Tonic => tonic::serve(address).await,
            Self::Campanile => campanile::serve(address, Duration::ZERO).await,
            Self::CampanileDrain => campanile::serve(address, Duration::from_millis(500)).await,
            Self::Nginx | Self::Haproxy => Err(io::Error::other("a program of its own")),
        }
    }
}

/// The version of a crate in this repository's lock file.
fn locked(name: &str) -> io::Result<String> {
    let lock = include_str!("../../../../Cargo.lock");
    let after = lock.split_once(&format!("name = \"{name}\"\nversion = \""));
    after
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(version, _)| version.to_owned())
        .ok_or_else(|| io::Error::other(format!("{name} is not in Cargo.lock")))
}
