//! A listener that closes itself on a signal, for servers that can only stop accepting.

use std::fmt;
#[cfg(feature = "axum")]
use std::future::pending;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::{Accepted, AcceptedStream, Closing, CountedIo, ListenAddress, Listener};

const GRACE_PERIOD: Duration = Duration::from_millis(200);

/// A listener that closes on a signal while the server still accepts from it; created by [`Listener::drain_when`].
///
/// Pass it to a server with [`into_axum`](Self::into_axum) or [`into_incoming`](Self::into_incoming), and [`Drained`] as
/// the signal of the server's graceful shutdown.
pub struct DrainingListener {
    address: ListenAddress,
    grace_period: Duration,
    state: DrainState,
    drained: Option<oneshot::Sender<()>>,
}

/// Resolves when a [`DrainingListener`] is closed, the connections of its accept queue are accepted and have had time to
/// send a request; also when the listener is dropped.
#[derive(Debug)]
#[must_use = "without it the server waits on the closed listener indefinitely"]
pub struct Drained {
    receiver: oneshot::Receiver<()>,
}

/// A [`DrainingListener`] as a stream of connections, for tonic's `serve_with_incoming_shutdown`.
///
/// It yields no errors, and ends when the listener is drained.
pub struct DrainingIncoming {
    /// Boxed once per connection: the future owns the listener that it accepts from. `None` once drained.
    accepting: Option<AcceptFuture>,
}

enum DrainState {
    Open { listener: Listener, signal: Signal },
    Closing(Closing),
    Grace { until: Instant },
    Drained,
}

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;
type AcceptFuture = Pin<Box<dyn Future<Output = (Option<Accepted>, DrainingListener)> + Send>>;

impl DrainingListener {
    pub(crate) fn new(
        listener: Listener,
        signal: impl Future<Output = ()> + Send + 'static,
    ) -> (Self, Drained) {
        let (drained, receiver) = oneshot::channel();
        let draining = Self {
            address: listener.local_address().clone(),
            grace_period: GRACE_PERIOD,
            state: DrainState::Open {
                listener,
                signal: Box::pin(signal),
            },
            drained: Some(drained),
        };
        (draining, Drained { receiver })
    }

    /// Sets how long the last accepted connections have to send their request before the server stops.
    #[must_use]
    pub fn with_grace_period(mut self, grace_period: Duration) -> Self {
        self.grace_period = grace_period;
        self
    }

    /// Returns the address that it is bound to.
    #[must_use]
    pub fn local_address(&self) -> &ListenAddress {
        &self.address
    }

    /// Converts the listener to a stream of connections, for tonic.
    #[must_use]
    pub fn into_incoming(self) -> DrainingIncoming {
        DrainingIncoming {
            accepting: Some(self.accept_owned()),
        }
    }

    fn accept_owned(mut self) -> AcceptFuture {
        Box::pin(async move {
            let accepted = self.accept().await;
            (accepted, self)
        })
    }

    /// Waits for a connection; `None` once the listener is drained.
    ///
    /// For accept loops of your own. Cancel safe, as [`Listener::accept`] is.
    pub async fn accept(&mut self) -> Option<Accepted> {
        loop {
            match &mut self.state {
                DrainState::Open { listener, signal } => {
                    let accepted = {
                        let mut accept = pin!(listener.accept());
                        // The signal first: under load there is always a connection.
                        poll_fn(|cx| match signal.as_mut().poll(cx) {
                            Poll::Ready(()) => Poll::Ready(None),
                            Poll::Pending => accept.as_mut().poll(cx).map(Some),
                        })
                        .await
                    };
                    match accepted {
                        Some(accepted) => return Some(accepted),
                        None => self.close(),
                    }
                }
                DrainState::Closing(closing) => match closing.accept().await {
                    Some(accepted) => return Some(accepted),
                    None => {
                        let until = Instant::now() + self.grace_period;
                        self.state = DrainState::Grace { until };
                    }
                },
                DrainState::Grace { until } => {
                    sleep_until(*until).await;
                    self.state = DrainState::Drained;
                    if let Some(drained) = self.drained.take() {
                        // The receiver may be dropped: the server then ends by other means.
                        let _ = drained.send(());
                    }
                }
                DrainState::Drained => return None,
            }
        }
    }

    fn close(&mut self) {
        self.state = match std::mem::replace(&mut self.state, DrainState::Drained) {
            DrainState::Open { listener, .. } => DrainState::Closing(listener.close()),
            state => state,
        };
    }

    /// Waits for a connection, indefinitely once drained, as `axum::serve` needs it.
    #[cfg(feature = "axum")]
    pub(crate) async fn accept_or_pend(&mut self) -> Accepted {
        match self.accept().await {
            Some(accepted) => accepted,
            None => pending().await,
        }
    }
}

impl Future for Drained {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // An error means that the listener was dropped, and so is closed too.
        Pin::new(&mut self.receiver).poll(cx).map(|_| ())
    }
}

impl Stream for DrainingIncoming {
    type Item = io::Result<CountedIo<AcceptedStream>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(accepting) = &mut self.accepting else {
            return Poll::Ready(None);
        };
        let (accepted, listener) = ready!(accepting.as_mut().poll(cx));
        self.accepting = accepted.is_some().then(|| listener.accept_owned());
        Poll::Ready(accepted.map(|accepted| Ok(accepted.io)))
    }
}

impl fmt::Debug for DrainingListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            DrainState::Open { .. } => "open",
            DrainState::Closing(_) => "closing",
            DrainState::Grace { .. } => "grace period",
            DrainState::Drained => "drained",
        };
        f.debug_struct("DrainingListener")
            .field("address", &self.address)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DrainingIncoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainingIncoming")
            .field("drained", &self.accepting.is_none())
            .finish()
    }
}
