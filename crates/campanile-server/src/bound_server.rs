//! A server whose listeners are bound.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use campanile_lifecycle::{Lifecycle, LifecycleHandle, Report};
use campanile_listen::{ListenAddress, Listener};
use http::Response;
use http_body::Body;
use hyper::Request;
use hyper::body::Incoming;
use tokio::task::JoinSet;
use tower::Service;

use crate::accept::accept;
#[cfg(feature = "admin")]
use crate::admin::AdminPort;
use crate::backlog::QueueMonitor;
use crate::hangup::ReloadOnHangup;
use crate::listener_context::ListenerContext;
use crate::service::BoxError;

/// A server whose listeners are bound: clients can connect, and wait in the accept queue until [`run`](Self::run). Made by
/// [`Server::try_bind`](crate::Server::try_bind).
#[must_use = "serves nothing until `run`"]
pub struct BoundServer<S> {
    pub(crate) service: S,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) listeners: Vec<(Listener, Arc<ListenerContext>)>,
    pub(crate) queues: QueueMonitor,
    #[cfg(feature = "admin")]
    pub(crate) admin: Option<AdminPort>,
    pub(crate) reload: Option<ReloadOnHangup>,
}

impl<S> BoundServer<S> {
    /// Iterates over the addresses of its listeners, in the order in which they were added; a port 0 is resolved.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = &ListenAddress> {
        self.listeners
            .iter()
            .map(|(listener, _)| listener.local_address())
    }

    /// Iterates over its listeners.
    pub fn listeners(&self) -> impl ExactSizeIterator<Item = &Listener> {
        self.listeners.iter().map(|(listener, _)| listener)
    }

    /// Returns the address of the admin port, if there is one; a port 0 is resolved.
    #[cfg(feature = "admin")]
    #[must_use]
    pub fn admin_address(&self) -> Option<&ListenAddress> {
        self.admin.as_ref().map(AdminPort::address)
    }

    /// Returns a handle of the lifecycle, for probes, background tasks and to request a shutdown.
    #[must_use]
    pub fn handle(&self) -> LifecycleHandle {
        self.lifecycle.handle()
    }

    /// Serves until the shutdown is complete. See [`Server::run`](crate::Server::run).
    ///
    /// If a listener was lost, [`Report::failure`] names it, and the exit code of the report is 1.
    pub async fn run<B>(self) -> Report
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let handle = self.lifecycle.handle();
        let abort_log = self
            .listeners
            .first()
            .map(|(_, context)| Arc::clone(&context.abort_log));
        // Dropping the set, with this future, aborts the accept loops.
        let mut accept_loops = JoinSet::new();
        let mut labels = Vec::with_capacity(self.listeners.len());
        for (listener, context) in self.listeners {
            tracing::info!(address = %context.address, tls = context.is_tls(), "listening");
            let guard = handle.guard();
            let label = context.label.clone();
            let task = accept_loops.spawn(accept(listener, context, self.service.clone(), guard));
            labels.push((task.id(), label));
        }
        let serve = async {
            while let Some(ended) = accept_loops.join_next_with_id().await {
                let (id, reason) = match ended {
                    Ok((_, Ok(()))) => continue,
                    Ok((id, Err(error))) => (id, format!("no longer listens: {error}")),
                    Err(error) if error.is_panic() => {
                        let id = error.id();
                        let panic = error.into_panic();
                        (
                            id,
                            format!("lost its accept loop, which panicked: {}", message(&*panic)),
                        )
                    }
                    // The runtime is shutting down.
                    Err(_) => continue,
                };
                let label = labels.iter().find(|(known, _)| *known == id);
                let label = label.map_or("", |(_, label)| label.as_str());
                let reason = format!("listener {label} {reason}");
                tracing::error!(listener = label, "{reason}; shutting down");
                handle.fail(reason);
            }
        };
        let serve = async {
            tokio::select! {
                () = serve => {}
                () = ReloadOnHangup::run(self.reload) => {}
            }
        };
        let serve = self.queues.run_with(serve);
        let report = self.lifecycle.run_with(serve).await.0;
        if let Some(log) = abort_log {
            log.log_rest();
        }
        #[cfg(feature = "admin")]
        if let Some(admin) = self.admin {
            admin.closed().await;
        }
        report
    }
}

/// Returns the message of a panic.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message")
}

impl<S> fmt::Debug for BoundServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundServer")
            .field("addresses", &self.addresses().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
