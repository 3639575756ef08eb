//! The compared servers, each set up as in its documentation.
//!
//! All listen with the same backlog. The Rust servers respond after [`HANDLER_TIME`], so that requests are always in flight;
//! nginx and haproxy respond immediately.

mod axum;
mod axum_server;
mod campanile;
mod hyper_util;
mod packaged;
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

use crate::client::h2::RequestKind;

/// The backlog of each listener, which the kernel limits to `net.core.somaxconn`.
pub const BACKLOG: u32 = 4096;

/// The time that a handler of a Rust peer takes.
pub const HANDLER_TIME: Duration = Duration::from_millis(1);

/// A server to shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[allow(clippy::exhaustive_enums, reason = "the rows of the comparison")]
pub enum Peer {
    /// `axum::serve` with graceful shutdown.
    Axum,
    /// hyper-util's `GracefulShutdown`, as in its example.
    HyperUtil,
    /// axum-server's `Handle::graceful_shutdown`.
    AxumServer,
    /// tonic's own server with a shutdown signal.
    Tonic,
    /// nginx, with QUIT.
    Nginx,
    /// haproxy, with USR1.
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
    /// For HTTP/2 with prior knowledge; the same if the server detects the protocol.
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

    /// Returns the name in tables.
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

    /// Returns whether the peer is campanile.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Campanile | Self::CampanileDrain)
    }

    /// Returns the version.
    ///
    /// # Errors
    ///
    /// If the peer is a program that is not installed.
    pub fn version(self) -> io::Result<String> {
        match self {
            Self::Axum => locked("axum"),
            Self::HyperUtil => locked("hyper-util"),
            Self::AxumServer => locked("axum-server"),
            Self::Tonic => locked("tonic"),
            Self::Nginx => packaged::version("nginx"),
            Self::Haproxy => packaged::version("haproxy"),
            Self::Campanile | Self::CampanileDrain => Ok(env!("CARGO_PKG_VERSION").to_owned()),
        }
    }

    /// Returns the signal for a graceful shutdown.
    #[must_use]
    pub fn signal(self) -> Signal {
        match self {
            Self::Nginx => Signal::QUIT,
            Self::Haproxy => Signal::USR1,
            _ => Signal::TERM,
        }
    }

    /// Returns the request of its HTTP/2 clients.
    #[must_use]
    pub fn request_kind(self) -> RequestKind {
        if self == Self::Tonic {
            RequestKind::Grpc
        } else {
            RequestKind::Get
        }
    }

    /// Returns whether it needs a separate port for HTTP/2 without TLS.
    #[must_use]
    pub fn needs_two_ports(self) -> bool {
        // Before 1.25.1 a port of nginx serves only one protocol.
        self == Self::Nginx
    }

    /// Returns the command that starts the peer, with its configuration in `folder`.
    ///
    /// # Errors
    ///
    /// If the configuration cannot be written.
    pub fn command(self, addresses: Addresses, folder: &Path) -> io::Result<Command> {
        let mut command = match self {
            Self::Nginx => packaged::nginx(addresses, folder)?,
            Self::Haproxy => packaged::haproxy(addresses, folder)?,
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

    /// Serves as a Rust peer until a graceful shutdown is complete.
    ///
    /// # Errors
    ///
    /// Errors of the server, and if the peer is an external program.
    pub async fn serve(self, address: SocketAddr) -> io::Result<()> {
        match self {
            Self::Axum => axum::serve(address).await,
            Self::HyperUtil => hyper_util::serve(address).await,
            Self::AxumServer => axum_server::serve(address).await,
            Self::Tonic => tonic::serve(address).await,
            Self::Campanile => campanile::serve(address, Duration::ZERO).await,
            Self::CampanileDrain => campanile::serve(address, Duration::from_millis(500)).await,
            Self::Nginx | Self::Haproxy => Err(io::Error::other("an external program")),
        }
    }
}

/// Returns the version of a crate in `Cargo.lock`.
fn locked(name: &str) -> io::Result<String> {
    let lock = include_str!("../../../../Cargo.lock");
    let after = lock.split_once(&format!("name = \"{name}\"\nversion = \""));
    after
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(version, _)| version.to_owned())
        .ok_or_else(|| io::Error::other(format!("{name} is not in Cargo.lock")))
}
