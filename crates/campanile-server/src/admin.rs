//! The admin port of a server.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use campanile_admin::{
    Admin, AdminListener, CheckResult, Exposition, RequestRow, ServicePhase, ServiceStatus,
};
use campanile_core::{in_flight, method};
use campanile_lifecycle::LifecycleHandle;
use campanile_listen::ListenAddress;
use campanile_recorder::{CellRecorder, Format};

use crate::ServeError;
use crate::error::ServeErrorKind;

type Configure = Box<dyn FnOnce(Admin) -> Admin + Send>;

/// The settings of the admin port.
pub(crate) struct AdminConfig {
    /// Parsed when the port is bound.
    pub(crate) address: String,
    pub(crate) configure: Option<Configure>,
}

/// An open admin port.
pub(crate) struct AdminPort {
    address: ListenAddress,
    thread: JoinHandle<()>,
}

impl AdminPort {
    /// Binds the port and serves it on a thread until the service has stopped.
    pub(crate) fn open(
        config: AdminConfig,
        handle: &LifecycleHandle,
        metrics: Option<CellRecorder>,
        has_own_recorder: bool,
    ) -> Result<Self, ServeError> {
        let address: ListenAddress = config.address.parse().map_err(ServeErrorKind::Address)?;
        let (listen, address) = bind(address)?;
        let mut admin = admin_of(handle);
        // After the bind: a failed bind, which the caller may retry, must not install a recorder.
        let metrics = match metrics {
            None if !has_own_recorder => install_recorder(),
            metrics => metrics,
        };
        if let Some(metrics) = metrics {
            admin = admin.with_metrics(move |accept: &str| render(&metrics, accept));
        }
        if let Some(configure) = config.configure {
            admin = configure(admin);
        }
        let stopped = handle.stopped();
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                if let Err(error) = admin.run_blocking(listen, stopped) {
                    let error: &dyn Error = &error;
                    tracing::error!(error, "admin port failed");
                }
            })
            .map_err(ServeErrorKind::Admin)?;
        tracing::info!(%address, "admin port listening");
        Ok(Self { address, thread })
    }

    pub(crate) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Waits until the last responses are sent and the port is closed.
    pub(crate) async fn closed(self) {
        // A panic of the thread was reported by the panic hook.
        let _ = tokio::task::spawn_blocking(|| self.thread.join()).await;
    }
}

impl fmt::Debug for AdminConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminConfig")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Installs a recorder, unless there is a global one already.
fn install_recorder() -> Option<CellRecorder> {
    let installed = CellRecorder::new().install().ok();
    if installed.is_none() {
        tracing::debug!("another recorder is installed; the admin port renders no metrics by itself");
    }
    installed
}

/// Binds a TCP socket. A unix socket is bound by the admin port itself, which removes its file at the end.
fn bind(address: ListenAddress) -> Result<(AdminListener, ListenAddress), ServeError> {
    match address.tcp() {
        None => Ok((AdminListener::from(address.clone()), address)),
        Some(tcp) => {
            let listener = TcpListener::bind(tcp).map_err(|error| {
                let text = format!("cannot listen on {tcp}: {error}");
                ServeErrorKind::Admin(io::Error::new(error.kind(), text))
            })?;
            let address = listener.local_addr().map_err(ServeErrorKind::Admin)?;
            Ok((listener.into(), address.into()))
        }
    }
}

/// Returns an admin service with the phase, checks and drain of a lifecycle, and the table of requests in flight, as
/// [`Server::admin`](crate::Server::admin) opens it: for programs with another server, or to mount its
/// [`probes`](Admin::probes) in an application. The caller adds the metrics.
#[must_use]
pub fn admin_of(handle: &LifecycleHandle) -> Admin {
    let (status, checks, drain) = (handle.clone(), handle.clone(), handle.clone());
    Admin::new()
        .with_status(move || {
            let phase = ServicePhase::from_name(status.phase().as_str()).unwrap_or(ServicePhase::Stopped);
            let deadline = status.drain_deadline();
            let left = deadline.map(|at| at.into_std().saturating_duration_since(Instant::now()));
            ServiceStatus::new(phase).with_time_left(left)
        })
        .with_checks(move || run_checks(checks.clone()))
        .with_requests(|| in_flight::snapshot().into_iter().map(request).collect())
        .with_drain(move || drain.drain())
}

async fn run_checks(handle: LifecycleHandle) -> Vec<CheckResult> {
    let readiness = handle.readiness().await;
    let checks = readiness.checks().map(|(name, outcome)| match outcome.is_ok() {
        true => CheckResult::passed(name),
        false => CheckResult::failed(name, outcome.to_string()),
    });
    checks.collect()
}

fn render(recorder: &CellRecorder, accept: &str) -> io::Result<Exposition> {
    let format = Format::from_accept(accept);
    let chunks = recorder.try_snapshot()?.chunks(format);
    Ok(Exposition::from_chunks(format.content_type(), chunks))
}

fn request(row: in_flight::InFlightRequest) -> RequestRow {
    let request = RequestRow::new(row.id)
        .with_method(method::name(row.method))
        .with_route(row.route.unwrap_or_default())
        .with_age(row.age)
        .with_phase(row.phase.as_str());
    match row.host {
        Some(host) => request.with_host(host),
        None => request,
    }
}
