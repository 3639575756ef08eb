//! A listener that closes itself when it is told, for servers that only know how to stop accepting.

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

use crate::{Accepted, Closing, CountedIo, ListenAddress, Listener, Socket};

const SILENCE: Duration = Duration::from_millis(200);

type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A listener that goes on accepting while it closes; made by [`Listener::drain_when`].
///
/// Give it to a server as [`into_axum`](Self::into_axum) or [`into_incoming`](Self::into_incoming), and [`Drained`] as
/// the signal of its graceful shutdown.
pub struct Draining {
    address: ListenAddress,
    silence: Duration,
    state: State,
    drained: Option<oneshot::Sender<()>>,
}

/// Resolves when a [`Draining`] listener is closed, whoever waited in its queue is accepted and has had a moment to
/// send a request; also when the listener is dropped.
#[derive(Debug)]
#[must_use = "the server has to be told, or it accepts for ever from a listener that is closed"]
pub struct Drained {
    over: oneshot::Receiver<()>,
}

/// A [`Draining`] listener as a stream of connections, for tonic's `serve_with_incoming_shutdown`.
///
/// It yields no errors, and ends when the listener is drained.
#[derive(Debug)]
pub struct DrainingIncoming {
    turn: Turn,
}

enum State {
    Open { listener: Listener, signal: Signal },
    Closing(Closing),
    Silent { until: Instant },
    Over,
}

enum Turn {
    /// Boxed once for each connection: the future borrows what it accepts from.
    Accepting(Pin<Box<dyn Future<Output = (Option<Accepted>, Draining)> + Send>>),
    Over,
}

impl Listener {
    /// Splits it into a listener for a server that knows only how to stop accepting, and the future that tells that
    /// server when it may.
    ///
    /// When `signal` resolves the listener closes as [`close`](Self::close) does, while the server still accepts from
    /// it. When nobody is left, and 200 ms later, [`Drained`] resolves. The moment is for those who were accepted last:
    /// hyper closes a connection at once on which nothing was asked yet.
    pub fn drain_when(self, signal: impl Future<Output = ()> + Send + 'static) -> (Draining, Drained) {
        let (drained, over) = oneshot::channel();
        let draining = Draining {
            address: self.local_address().clone(),
            silence: SILENCE,
            state: State::Open {
                listener: self,
                signal: Box::pin(signal),
            },
            drained: Some(drained),
        };
        (draining, Drained { over })
    }
}

impl Draining {
    /// Sets how long those who were accepted last have for their request before the server is told to stop.
    #[must_use]
    pub fn with_silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Returns the address that it is bound to.
    #[must_use]
    pub fn local_address(&self) -> &ListenAddress {
        &self.address
    }

    /// Turns it into a stream of connections, for tonic.
    #[must_use]
    pub fn into_incoming(self) -> DrainingIncoming {
        DrainingIncoming {
            turn: Turn::accept_from(self),
        }
    }

    /// Waits for a connection; `None` once the listener is drained.
    ///
    /// For accept loops of your own, and cancel safe as [`Listener::accept`] is.
    pub async fn accept(&mut self) -> Option<Accepted> {
        loop {
            match &mut self.state {
                State::Open { listener, signal } => {
                    let accepted = {
                        let mut accept = pin!(listener.accept());
                        // The signal first: there may always be a client.
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
                State::Closing(closing) => match closing.accept().await {
                    Some(accepted) => return Some(accepted),
                    None => {
                        self.state = State::Silent {
                            until: Instant::now() + self.silence,
                        }
                    }
                },
                State::Silent { until } => {
                    sleep_until(*until).await;
                    self.state = State::Over;
                    if let Some(drained) = self.drained.take() {
                        // Who does not wait for it has other means.
                        let _ = drained.send(());
                    }
                }
                State::Over => return None,
            }
        }
    }

    fn close(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Open { listener, .. } => State::Closing(listener.close()),
            state => state,
        };
    }

    /// As servers want it that know no end of accepting.
    #[cfg(feature = "axum")]
    pub(crate) async fn accept_or_wait(&mut self) -> Accepted {
        match self.accept().await {
            Some(accepted) => accepted,
            None => pending().await,
        }
    }
}

impl Future for Drained {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // An error says that the listener was dropped: it is closed too.
        Pin::new(&mut self.over).poll(cx).map(|_| ())
    }
}

impl Turn {
    fn accept_from(mut draining: Draining) -> Self {
        Self::Accepting(Box::pin(async move {
            let accepted = draining.accept().await;
            (accepted, draining)
        }))
    }
}

impl Stream for DrainingIncoming {
    type Item = io::Result<CountedIo<Socket>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Turn::Accepting(accepting) = &mut self.turn else {
            return Poll::Ready(None);
        };
        let (accepted, draining) = ready!(accepting.as_mut().poll(cx));
        let Some(accepted) = accepted else {
            self.turn = Turn::Over;
            return Poll::Ready(None);
        };
        self.turn = Turn::accept_from(draining);
        Poll::Ready(Some(Ok(accepted.io)))
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draining")
            .field("address", &self.address)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open { .. } => "open",
            Self::Closing(_) => "closing",
            Self::Silent { .. } => "silent",
            Self::Over => "over",
        })
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepting(_) => "accepting",
            Self::Over => "over",
        })
    }
}
