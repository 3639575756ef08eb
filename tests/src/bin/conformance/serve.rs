//! The service on its socket, from the first signal that may come to the end of its stop.

use std::{error::Error, io};

use axum::Router;
use campanile_admin::{Admin, Exposition};
use campanile_lifecycle::{Lifecycle, LifecycleHandle, Report, ShutdownConfig};
use campanile_listen::Bind;
use campanile_server::{BoundServer, Server};

use crate::{flags::Flags, log::Log, recorder::Text, routes};

/// The service, bound, and not serving yet. Its admin port answers already.
pub(crate) struct Service(BoundServer<Router>);

impl Service {
    /// Catches signals and binds. Needs the runtime that will serve.
    pub(crate) fn bind(flags: &Flags, log: Log, metrics: Text) -> Result<Self, Box<dyn Error>> {
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
        metrics.clone().keep_up()?;
        let server = Server::new(app)
            .lifecycle(lifecycle)
            .listener(listener)
            .admin_with(flags.admin, |admin| tell(admin, log, metrics));
        Ok(Self(server.try_bind()?))
    }

    /// Returns the lines that say where it and its admin port are.
    pub(crate) fn announcement(&self) -> String {
        let service = self.0.addresses().map(|at| format!("listening on {at}\n"));
        let admin = self.0.admin_address().map(|at| format!("admin on {at}\n"));
        service.chain(admin).collect()
    }

    /// Returns what tells its phase.
    pub(crate) fn handle(&self) -> LifecycleHandle {
        self.0.handle()
    }

    /// Serves to the end of the stop.
    pub(crate) async fn run(self) -> Report {
        self.0.run().await
    }
}

/// Adds what only this program knows.
fn tell(admin: Admin, log: Log, metrics: Text) -> Admin {
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
