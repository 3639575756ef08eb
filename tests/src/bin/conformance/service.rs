//! The service on its socket, from binding to the end of its shutdown.

use std::{error::Error, io};

use axum::Router;
use campanile_admin::{Admin, Exposition};
use campanile_lifecycle::{Lifecycle, LifecycleHandle, Report, ShutdownConfig};
use campanile_listen::Bind;
use campanile_server::{BoundServer, Server};

use crate::{flags::Flags, log::LogFilter, recorder::MetricsText, routes};

/// The bound service, before it serves. Its admin port is open already.
pub(crate) struct Service(BoundServer<Router>);

impl Service {
    /// Installs signal handlers and binds. Must run in the context of the runtime that will serve.
    pub(crate) fn bind(flags: &Flags, log: LogFilter, metrics: MetricsText) -> Result<Self, Box<dyn Error>> {
        let mut lifecycle = Lifecycle::new(settings(flags))?;
        lifecycle.install_signals()?;
        let mut bind = Bind::new(flags.listen.clone());
        if let Some(backlog) = flags.backlog {
            bind = bind.with_backlog(backlog.get());
        }
        if let Some(limit) = flags.max_connections {
            bind = bind.with_connection_limit(limit.get());
        }
        let listener = bind.bind()?;
        let app = routes::router(&lifecycle.handle(), flags);
        metrics.clone().spawn_upkeep()?;
        let server = Server::new(app)
            .lifecycle(lifecycle)
            .listener(listener)
            .admin_with(flags.admin, |admin| configure_admin(admin, log, metrics));
        Ok(Self(server.try_bind()?))
    }

    /// Returns the lines that name the addresses of the service and of its admin port.
    pub(crate) fn announcement(&self) -> String {
        let service = self.0.addresses().map(|at| format!("listening on {at}\n"));
        let admin = self.0.admin_address().map(|at| format!("admin on {at}\n"));
        service.chain(admin).collect()
    }

    /// Returns the handle of its lifecycle.
    pub(crate) fn handle(&self) -> LifecycleHandle {
        self.0.handle()
    }

    /// Serves until the shutdown is complete.
    pub(crate) async fn run(self) -> Report {
        self.0.run().await
    }
}

/// Adds the name, the version, the metrics and the log filter of this program.
fn configure_admin(admin: Admin, log: LogFilter, metrics: MetricsText) -> Admin {
    let writable = log.clone();
    admin
        .with_service_name("conformance")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_metrics(move |accept: &str| {
            let rendered = metrics.render(accept)?;
            io::Result::Ok(rendered.map(|(kind, text)| Exposition::from_text(kind, text)))
        })
        .with_log_level(move || log.filter(), move |text| writable.set_filter(text))
}

fn settings(flags: &Flags) -> ShutdownConfig {
    let mut settings = ShutdownConfig::new();
    if let Some(drain) = flags.drain {
        settings = settings.with_drain_time(drain.0);
    }
    if let Some(stop) = flags.stop {
        settings = settings.with_stop_timeout(stop.0);
    }
    settings
}
