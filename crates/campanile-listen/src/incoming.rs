//! A stream of accepted connections, counted and limited.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::{ConnectionPermit, Connections, CountedIo};

pin_project! {
    /// Yields the connections of the wrapped stream as [`CountedIo`], and polls it only while one more connection may be
    /// open.
    ///
    /// Created by [`Connections::count_incoming`], for tonic's `serve_with_incoming`. Errors of the wrapped stream are
    /// counted and passed on.
    pub struct CountedIncoming<I> {
        connections: Connections,
        permit: PermitState,
        #[pin]
        incoming: I,
    }
}

enum PermitState {
    None,
    /// The limit is reached. Boxed once per wait, never while connections are accepted freely.
    Waiting(Pin<Box<dyn Future<Output = ConnectionPermit> + Send + Sync>>),
    Held(ConnectionPermit),
}

impl<I> CountedIncoming<I> {
    pub(crate) fn new(connections: Connections, incoming: I) -> Self {
        Self {
            connections,
            permit: PermitState::None,
            incoming,
        }
    }

    /// Returns a reference to the wrapped stream.
    #[must_use]
    pub fn get_ref(&self) -> &I {
        &self.incoming
    }
}

impl<I, S> Stream for CountedIncoming<I>
where
    I: Stream<Item = io::Result<S>>,
{
    type Item = io::Result<CountedIo<S>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        loop {
            match this.permit {
                PermitState::None => {
                    *this.permit = match this.connections.try_ready() {
                        Some(permit) => PermitState::Held(permit),
                        None => {
                            let connections = this.connections.clone();
                            PermitState::Waiting(Box::pin(async move { connections.ready().await }))
                        }
                    };
                }
                PermitState::Waiting(wait) => {
                    *this.permit = PermitState::Held(ready!(wait.as_mut().poll(cx)));
                }
                PermitState::Held(_) => break,
            }
        }
        let accepted = ready!(this.incoming.as_mut().poll_next(cx));
        let PermitState::Held(permit) = std::mem::replace(this.permit, PermitState::None) else {
            return Poll::Ready(None);
        };
        Poll::Ready(accepted.map(|accepted| match accepted {
            Ok(io) => Ok(permit.wrap(io)),
            Err(error) => {
                this.connections.accept_failed(&error);
                Err(error)
            }
        }))
    }
}

impl<I: fmt::Debug> fmt::Debug for CountedIncoming<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountedIncoming")
            .field("connections", &self.connections)
            .field("waiting", &matches!(self.permit, PermitState::Waiting(_)))
            .field("incoming", &self.incoming)
            .finish()
    }
}
