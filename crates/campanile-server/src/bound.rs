//! A server whose listeners are bound.

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
use crate::admin::Port;
use crate::queues::Queues;
use crate::service::BoxError;
use crate::site::Site;
#[cfg(feature = "tls")]
use crate::tls::Reload;

/// A server whose listeners are bound: clients may connect already, and wait in the kernel's queue until
/// [`run`](Self::run). Made by [`Server::bound`](crate::Server::bound).
#[must_use = "nothing is served before `run`"]
pub struct Bound<S> {
    pub(crate) service: S,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) listeners: Vec<(Listener, Arc<Site>)>,
    pub(crate) queues: Queues,
    #[cfg(feature = "admin")]
    pub(crate) admin: Option<Port>,
    /// The certificates to be loaded anew on HUP.
    #[cfg(feature = "tls")]
    pub(crate) hang_up: Option<Reload>,
}

impl<S> Bound<S> {
    /// Returns where it listens, in the order in which that was asked for, with the ports that the system chose.
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = &ListenAddress> {
        self.listeners
            .iter()
            .map(|(listener, _)| listener.local_address())
    }

    /// Returns the listeners, for whoever looks at their queues.
    pub fn listeners(&self) -> impl ExactSizeIterator<Item = &Listener> {
        self.listeners.iter().map(|(listener, _)| listener)
    }

    /// Returns where the admin port is, with the port that the system chose, if there is one.
    #[cfg(feature = "admin")]
    #[must_use]
    pub fn admin_address(&self) -> Option<&ListenAddress> {
        self.admin.as_ref().map(Port::address)
    }

    /// Returns a handle of the lifecycle, for probes, background tasks and whoever asks for a stop.
    #[must_use]
    pub fn handle(&self) -> LifecycleHandle {
        self.lifecycle.handle()
    }

    /// Serves until the stop has come to its end. See [`Server::run`](crate::Server::run).
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
        // Aborted when it is dropped: then nothing new is accepted.
        let mut accepting = JoinSet::new();
        for (listener, site) in self.listeners {
            tracing::info!(address = %site.address, tls = site.is_tls(), "listening");
            let hold = handle.guard();
            accepting.spawn(accept(listener, site, self.service.clone(), hold));
        }
        let serving = async {
            while let Some(ended) = accepting.join_next().await {
                if let Err(error) = ended {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "a listener is lost: stopping");
                    handle.drain();
                }
            }
        };
        #[cfg(feature = "tls")]
        let serving = async {
            tokio::select! {
                () = serving => {}
                () = Reload::run(self.hang_up) => {}
            }
        };
        let serving = self.queues.watched(serving);
        let report = self.lifecycle.run_with(serving).await.0;
        #[cfg(feature = "admin")]
        if let Some(admin) = self.admin {
            admin.ended().await;
        }
        report
    }
}

impl<S> fmt::Debug for Bound<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("addresses", &self.addresses().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
