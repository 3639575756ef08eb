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

/// A service that covers every feature of campanile
#[derive(Debug, Parser)]
#[command(name = "conformance")]
pub(crate) struct Flags {
    /// Listen address; port 0 chooses a free port
    #[arg(long, value_name = "127.0.0.1:PORT|unix:PATH")]
    pub(crate) listen: ListenAddress,
    /// Address of the admin port, which has a thread of its own
    #[arg(long, value_name = "127.0.0.1:PORT", default_value = "127.0.0.1:6060")]
    pub(crate) admin: SocketAddr,
    /// Names and labels of the metrics
    #[arg(long, value_enum, default_value = "semconv")]
    pub(crate) profile: Profile,
    /// Recorder of the metrics
    #[arg(long, value_enum, default_value = "campanile")]
    pub(crate) recorder: RecorderKind,
    /// Address of a statsd server
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) statsd: Option<StatsdServer>,
    /// Prefix of statsd lines
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    pub(crate) statsd_prefix: Option<String>,
    /// Length of the accept queue
    #[arg(long, value_name = "N")]
    pub(crate) backlog: Option<NonZeroU32>,
    /// Number of open connections at which accepting pauses
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<NonZeroUsize>,
    /// Number of requests in flight above which requests are shed
    #[arg(long, value_name = "N")]
    pub(crate) max_concurrency: Option<NonZeroUsize>,
    /// Worker threads of the runtime [default: number of processors]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Seconds for which the service still accepts requests after a shutdown was requested
    #[arg(long, value_name = "SECONDS")]
    pub(crate) drain: Option<Seconds>,
    /// Seconds for which requests in flight may run after that
    #[arg(long, value_name = "SECONDS")]
    pub(crate) stop: Option<Seconds>,
    /// Directory of the Weave Scope socket
    #[arg(long, value_name = "DIR")]
    scope_root: Option<PathBuf>,
    /// Directory in which several processes share their metrics
    #[arg(long, value_name = "DIR")]
    pub(crate) multiprocess_dir: Option<PathBuf>,
}

/// A kind of recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecorderKind {
    Campanile,
    PrometheusExporter,
    StatsdExporter,
}

/// The address of a statsd server.
#[derive(Debug, Clone)]
pub(crate) struct StatsdServer {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl FromStr for StatsdServer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or("no port")?;
        // IPv6 addresses are written in brackets.
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

impl fmt::Display for StatsdServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Parses a statsd prefix.
fn prefix(text: &str) -> Result<String, DsnError> {
    Dsn::udp("localhost", text)?;
    Ok(text.to_owned())
}

/// The longest time that a lifecycle accepts.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A time in seconds, which may have a fraction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seconds(pub(crate) Duration);

impl FromStr for Seconds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.parse().map_err(|_| "not a number of seconds")?;
        match Duration::try_from_secs_f64(seconds) {
            Ok(time) if time <= MAX_TIME => Ok(Self(time)),
            _ => Err("not between 0 and a year"),
        }
    }
}

impl Flags {
    /// Parses the command line, and rejects flags that are not available or contradict each other.
    pub(crate) fn from_command_line() -> Result<Self, clap::Error> {
        let flags = Self::try_parse()?;
        let refused = flags.unavailable().map(|flag| (flag, "not available yet"));
        match refused
            .or_else(|| flags.incomplete())
            .or_else(|| flags.conflicting())
        {
            None => Ok(flags),
            Some((flag, why)) => {
                Err(Self::command().error(ErrorKind::ValueValidation, format!("{flag}: {why}")))
            }
        }
    }

    fn unavailable(&self) -> Option<&'static str> {
        self.scope_root.is_some().then_some("--scope-root")
    }

    /// Returns a flag that needs another one.
    fn incomplete(&self) -> Option<(&'static str, &'static str)> {
        let flags = [
            (
                self.recorder == RecorderKind::StatsdExporter,
                "--recorder statsd-exporter",
            ),
            (self.statsd_prefix.is_some(), "--statsd-prefix"),
        ];
        let alone = flags
            .into_iter()
            .find(|(given, _)| *given && self.statsd.is_none());
        alone.map(|(_, flag)| (flag, "needs --statsd"))
    }

    /// Returns a flag that contradicts another one.
    fn conflicting(&self) -> Option<(&'static str, &'static str)> {
        let alone = self.multiprocess_dir.is_some() && self.recorder != RecorderKind::Campanile;
        alone.then_some((
            "--multiprocess-dir",
            "only --recorder campanile counts in a directory",
        ))
    }
}
