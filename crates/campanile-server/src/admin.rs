//! The admin port of a server: what it tells, and the thread from which it answers.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use campanile_admin::{Admin, Check, Exposition, Listen, Phase, Request, Status};
use campanile_core::{in_flight, method};
use campanile_lifecycle::LifecycleHandle;
use campanile_listen::ListenAddress;
use campanile_recorder::{CellRecorder, Format};
use metrics::Recorder;

use crate::ServeError;
use crate::error::Kind;

type Change = Box<dyn FnOnce(Admin) -> Admin + Send>;

/// What is wanted of the port.
pub(crate) struct Wanted {
    /// Parsed when it is bound.
    pub(crate) address: String,
    pub(crate) change: Option<Change>,
}

/// The port, once it answers.
pub(crate) struct Port {
    address: ListenAddress,
    thread: JoinHandle<()>,
}

impl Port {
    /// Binds and answers from now on, until the service has stopped.
    pub(crate) fn open(
        wanted: Wanted,
        handle: &LifecycleHandle,
        given: Option<CellRecorder>,
        other: Option<&'static (dyn Recorder + Sync)>,
    ) -> Result<Self, ServeError> {
        let address: ListenAddress = wanted.address.parse().map_err(Kind::Address)?;
        let (listen, address) = bind(address)?;
        let mut admin = admin_of(handle);
        // Once nothing can fail any more that the caller may try again.
        if let Some(metrics) = metrics(given, other) {
            admin = admin.with_metrics(move |accept: &str| text(&metrics, accept));
        }
        if let Some(change) = wanted.change {
            admin = change(admin);
        }
        let stopped = handle.stopped();
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                if let Err(error) = admin.run_blocking(listen, stopped) {
                    let error: &dyn Error = &error;
                    tracing::error!(error, "the admin port is closed");
                }
            })
            .map_err(Kind::Admin)?;
        tracing::info!(%address, "admin port");
        Ok(Self { address, thread })
    }

    pub(crate) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Waits until its last answers are sent.
    pub(crate) async fn ended(self) {
        // Whatever panicked there has said so.
        let _ = tokio::task::spawn_blocking(|| self.thread.join()).await;
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Returns what `/metrics` renders: what was given, or a recorder that is installed now if there is none yet.
fn metrics(
    given: Option<CellRecorder>,
    other: Option<&'static (dyn Recorder + Sync)>,
) -> Option<CellRecorder> {
    match (given, other) {
        (Some(given), _) => Some(given),
        (None, Some(_)) => None,
        (None, None) => {
            let installed = CellRecorder::new().install().ok();
            if installed.is_none() {
                tracing::debug!(
                    "another recorder is installed: the admin port has the metrics that it is given"
                );
            }
            installed
        }
    }
}

/// A unix socket is bound by the port itself, which removes its file at the end.
fn bind(address: ListenAddress) -> Result<(Listen, ListenAddress), ServeError> {
    match address.tcp() {
        None => Ok((Listen::from(address.clone()), address)),
        Some(tcp) => {
            let listener = TcpListener::bind(tcp).map_err(|error| {
                let text = format!("cannot listen on {tcp}: {error}");
                Kind::Admin(io::Error::new(error.kind(), text))
            })?;
            let address = listener.local_addr().map_err(Kind::Admin)?;
            Ok((listener.into(), address.into()))
        }
    }
}

/// Makes an admin port that knows a lifecycle, its checks and the table of requests in flight, as
/// [`Server::admin`](crate::Server::admin) opens it: for whoever keeps another server, or mounts its
/// [`probes`](Admin::probes) in the application. Its metrics are for the caller to add.
#[must_use]
pub fn admin_of(handle: &LifecycleHandle) -> Admin {
    let (status, checks, drain) = (handle.clone(), handle.clone(), handle.clone());
    Admin::new()
        .with_status(move || {
            let phase = Phase::of_name(status.phase().as_str()).unwrap_or(Phase::Stopped);
            let end = status.drain_deadline();
            let left = end.map(|end| end.into_std().saturating_duration_since(Instant::now()));
            Status::new(phase).with_time_left(left)
        })
        .with_checks(move || check_all(checks.clone()))
        .with_requests(|| in_flight::snapshot().into_iter().map(request).collect())
        .with_drain(move || drain.drain())
}

async fn check_all(handle: LifecycleHandle) -> Vec<Check> {
    let readiness = handle.readiness().await;
    let checks = readiness.checks().map(|(name, outcome)| match outcome.is_ok() {
        true => Check::passed(name),
        false => Check::failed(name, outcome.to_string()),
    });
    checks.collect()
}

fn text(recorder: &CellRecorder, accept: &str) -> io::Result<Exposition> {
    let format = Format::of_accept(accept);
    let chunks = recorder.try_snapshot()?.chunks(format);
    Ok(Exposition::chunks(format.content_type(), chunks))
}

fn request(row: in_flight::InFlightRequest) -> Request {
    let request = Request::new(row.id)
        .with_method(method::name(row.method))
        .with_route(row.route.unwrap_or_default())
        .with_age(row.age)
        .with_phase(row.phase.as_str());
    match row.host {
        Some(host) => request.with_host(host),
        None => request,
    }
}
