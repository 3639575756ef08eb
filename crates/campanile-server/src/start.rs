//! How a server begins: all that it was told to is bound.

use std::sync::Arc;

use campanile_lifecycle::{Lifecycle, Report};
use http::Response;
use http_body::Body;
use hyper::Request;
use hyper::body::Incoming;
use tower::Service;

#[cfg(feature = "admin")]
use crate::admin::Port;
use crate::bound::Bound;
use crate::cut::CutLog;
use crate::error::{Kind, ServeError};
use crate::place::Place;
use crate::queues::Queues;
use crate::server::Server;
use crate::service::BoxError;
use crate::site::{Site, http1_builder};
#[cfg(feature = "tls")]
use crate::tls::Reload;

impl<S> Server<S> {
    /// Binds the listeners and catches signals, so that addresses are known and clients may connect, and accepts
    /// nothing yet.
    ///
    /// # Errors
    ///
    /// If there is nothing to listen on, if an address cannot be read or bound, if a time of the stop is longer than a
    /// year, or if signals cannot be caught.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time.
    pub fn bound(self) -> Result<Bound<S>, ServeError> {
        let Self {
            service,
            places,
            limits,
            settings,
            lifecycle,
            max_connections,
            recorder,
            queues,
            #[cfg(feature = "admin")]
            admin,
            #[cfg(feature = "admin")]
            metrics,
        } = self;
        if places.is_empty() {
            return Err(Kind::NoListener.into());
        }
        // Before the first socket: a TERM that comes meanwhile is remembered.
        #[cfg(feature = "tls")]
        let catches_signals = lifecycle.is_none();
        let lifecycle = match lifecycle {
            Some(lifecycle) => lifecycle,
            None => {
                let mut lifecycle = Lifecycle::new(settings).map_err(Kind::Settings)?;
                if let Some(recorder) = recorder {
                    lifecycle = lifecycle.with_recorder(recorder);
                }
                lifecycle.install_signals().map_err(Kind::Signals)?;
                lifecycle
            }
        };
        let handle = lifecycle.handle();
        let cut_log = Arc::new(CutLog::new());
        let http1 = http1_builder();
        let mut queues = Queues::new(queues, recorder);
        let open = |place: Place| {
            let listener = place.at.open(max_connections, recorder)?;
            let site = Site {
                label: listener.label().clone(),
                address: listener.local_address().clone(),
                handle: handle.clone(),
                cutting: handle.cutting(),
                limits,
                queue_wait: queues.watch(&listener),
                cut_log: Arc::clone(&cut_log),
                http1: http1.clone(),
                #[cfg(feature = "tls")]
                tls: place.tls.map(|tls| tls.terminate(recorder)),
            };
            Ok((listener, Arc::new(site)))
        };
        let listeners = places
            .into_iter()
            .map(open)
            .collect::<Result<Vec<_>, ServeError>>()?;
        #[cfg(feature = "admin")]
        let admin = match admin {
            Some(admin) => Some(Port::open(admin, &handle, metrics, recorder)?),
            None => None,
        };
        campanile_core::clock::warm_up();
        #[cfg(feature = "tls")]
        let hang_up = match catches_signals {
            true => Reload::on_hang_up(&listeners).map_err(Kind::Signals)?,
            false => None,
        };
        Ok(Bound {
            service,
            lifecycle,
            listeners,
            queues,
            #[cfg(feature = "admin")]
            admin,
            #[cfg(feature = "tls")]
            hang_up,
        })
    }

    /// Binds, and serves until the stop has come to its end: TERM, INT or USR2 begin it, a second one ends the drain time,
    /// a third cuts.
    ///
    /// Dropped, it cuts what is in flight.
    ///
    /// # Errors
    ///
    /// Those of [`bound`](Self::bound); once it serves there are none.
    pub async fn run<B>(self) -> Result<Report, ServeError>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        Ok(self.bound()?.run().await)
    }
}
