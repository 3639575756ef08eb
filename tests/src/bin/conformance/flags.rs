//! The command line.

use std::{
    fmt,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use campanile_listen::ListenAddress;
use campanile_recorder::statsd::{Dsn, DsnError};
use clap::{CommandFactory, Parser, ValueEnum, error::ErrorKind};

use crate::profile::Profile;

/// A service that stands in for each ancestor's.
#[derive(Debug, Parser)]
#[command(name = "conformance")]
pub(crate) struct Flags {
    /// Where the service listens; port 0 takes a free one
    #[arg(long, value_name = "127.0.0.1:PORT|unix:PATH")]
    pub(crate) listen: ListenAddress,
    /// Where metrics and health are answered, on a thread of their own
    #[arg(long, value_name = "127.0.0.1:PORT", default_value = "127.0.0.1:6060")]
    pub(crate) admin: SocketAddr,
    /// Whose metrics are shown
    #[arg(long, value_enum, default_value = "semconv")]
    pub(crate) profile: Profile,
    /// What keeps the metrics
    #[arg(long, value_enum, default_value = "campanile")]
    pub(crate) recorder: Store,
    /// Where statsd lines are sent
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) statsd: Option<Server>,
    /// What statsd lines begin with
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    pub(crate) statsd_prefix: Option<String>,
    /// How many connections may wait in the kernel's queue
    #[arg(long, value_name = "N")]
    pub(crate) backlog: Option<NonZeroU32>,
    /// Open connections at which accepting pauses
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<NonZeroUsize>,
    /// Requests in flight beyond which the service sheds
    #[arg(long, value_name = "N")]
    pub(crate) max_concurrency: Option<NonZeroUsize>,
    /// Workers of the runtime; as many as there are processors if not given
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Seconds that all is still served after a stop was asked for
    #[arg(long, value_name = "SECONDS")]
    pub(crate) drain: Option<Seconds>,
    /// Seconds that what is in flight may take after that
    #[arg(long, value_name = "SECONDS")]
    pub(crate) stop: Option<Seconds>,
    /// Where the socket for Weave Scope is made
    #[arg(long, value_name = "DIR")]
    scope_root: Option<PathBuf>,
    /// Where several processes keep their metrics together
    #[arg(long, value_name = "DIR")]
    pub(crate) multiprocess_dir: Option<PathBuf>,
}

/// What keeps the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    Campanile,
    PrometheusExporter,
    StatsdExporter,
}

/// Where to send.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl FromStr for Server {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or("no port")?;
        // An IPv6 address stands in brackets, which are no part of it.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match port.parse() {
            Ok(port @ 1..) if !host.is_empty() => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err("not HOST:PORT"),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Reads what lines begin with, which must not break them.
fn prefix(text: &str) -> Result<String, DsnError> {
    Dsn::udp("localhost", text)?;
    Ok(text.to_owned())
}

/// What a lifecycle takes.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A time in seconds, with a fraction if need be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seconds(pub(crate) Duration);

impl FromStr for Seconds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.parse().map_err(|_| "not a number of seconds")?;
        match Duration::try_from_secs_f64(seconds) {
            Ok(time) if time <= LONGEST => Ok(Self(time)),
            _ => Err("not between 0 and a year"),
        }
    }
}

impl Flags {
    /// Reads the command line, and refuses what is known but cannot be done yet.
    pub(crate) fn from_command_line() -> Result<Self, clap::Error> {
        let flags = Self::try_parse()?;
        let refused = flags.unavailable().map(|flag| (flag, "not available yet"));
        match refused.or_else(|| flags.incomplete()).or_else(|| flags.at_odds()) {
            None => Ok(flags),
            Some((flag, why)) => {
                Err(Self::command().error(ErrorKind::ValueValidation, format!("{flag}: {why}")))
            }
        }
    }

    fn unavailable(&self) -> Option<&'static str> {
        self.scope_root.is_some().then_some("--scope-root")
    }

    /// What is nothing without another flag.
    fn incomplete(&self) -> Option<(&'static str, &'static str)> {
        let flags = [
            (
                self.recorder == Store::StatsdExporter,
                "--recorder statsd-exporter",
            ),
            (self.statsd_prefix.is_some(), "--statsd-prefix"),
        ];
        let alone = flags
            .into_iter()
            .find(|(given, _)| *given && self.statsd.is_none());
        alone.map(|(_, flag)| (flag, "needs --statsd"))
    }

    /// What does not go together.
    fn at_odds(&self) -> Option<(&'static str, &'static str)> {
        let alone = self.multiprocess_dir.is_some() && self.recorder != Store::Campanile;
        alone.then_some((
            "--multiprocess-dir",
            "only --recorder campanile counts in a directory",
        ))
    }
}
