//! The service on its socket, from the first signal that may come to the end of its stop.

use std::error::Error;

use axum::Router;
use campanile_lifecycle::{Handle, Lifecycle, Report, Settings};
use campanile_listen::{Bind, ListenAddress};
use campanile_serve::{Bound, Server};

use crate::{flags::Flags, routes};

/// The service, bound, and not serving yet.
pub(crate) struct Service {
    bound: Bound<Router>,
    address: ListenAddress,
}

impl Service {
    /// Catches signals and binds. Needs the runtime that will serve.
    pub(crate) fn bind(flags: &Flags) -> Result<Self, Box<dyn Error>> {
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
        let address = listener.local_address().clone();
        let app = routes::router(lifecycle.handle(), flags);
        let server = Server::new(app).lifecycle(lifecycle).listener(listener);
        let bound = server.bound()?;
        Ok(Self { bound, address })
    }

    /// Returns where it listens.
    pub(crate) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Returns what tells its phase.
    pub(crate) fn handle(&self) -> Handle {
        self.bound.handle()
    }

    /// Serves to the end of the stop.
    pub(crate) async fn run(self) -> Report {
        self.bound.run().await
    }
}

fn settings(flags: &Flags) -> Settings {
    let mut settings = Settings::new();
    if let Some(drain) = flags.drain {
        settings = settings.with_drain_time(drain.0);
    }
    if let Some(stop) = flags.stop {
        settings = settings.with_stop_timeout(stop.0);
    }
    settings
}
