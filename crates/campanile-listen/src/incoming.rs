//! A stream of accepted connections that counts them and holds the limit.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::{Connections, CountedIo, Slot};

pin_project! {
    /// Yields the connections of the wrapped stream as [`CountedIo`], and asks it for one only when one more
    /// may be open.
    ///
    /// Made by [`Connections::count_incoming`], for tonic's `serve_with_incoming`. Errors of the wrapped
    /// stream are counted by the name of their number and passed on; its end is passed on.
    pub struct CountedIncoming<I> {
        connections: Connections,
        turn: Turn,
        #[pin]
        incoming: I,
    }
}

enum Turn {
    /// Nothing is held.
    Idle,
    /// The limit is reached. Boxed once per such wait, never while connections flow.
    Waiting(Pin<Box<dyn Future<Output = Slot> + Send + Sync>>),
    /// The next connection may come.
    Ready(Slot),
}

impl<I> CountedIncoming<I> {
    pub(crate) fn new(connections: Connections, incoming: I) -> Self {
        Self {
            connections,
            turn: Turn::Idle,
            incoming,
        }
    }

    /// Returns the wrapped stream.
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
            match this.turn {
                Turn::Idle => {
                    *this.turn = match this.connections.try_ready() {
                        Some(slot) => Turn::Ready(slot),
                        None => {
                            let connections = this.connections.clone();
                            Turn::Waiting(Box::pin(async move { connections.ready().await }))
                        }
                    };
                }
                Turn::Waiting(wait) => *this.turn = Turn::Ready(ready!(wait.as_mut().poll(cx))),
                Turn::Ready(_) => break,
            }
        }
        let accepted = ready!(this.incoming.as_mut().poll_next(cx));
        let Turn::Ready(slot) = std::mem::replace(this.turn, Turn::Idle) else {
            return Poll::Ready(None);
        };
        Poll::Ready(accepted.map(|accepted| match accepted {
            Ok(io) => Ok(slot.wrap(io)),
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
            .field("waiting", &matches!(self.turn, Turn::Waiting(_)))
            .field("incoming", &self.incoming)
            .finish()
    }
}
