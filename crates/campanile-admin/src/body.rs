//! The body of an answer: whole, made piece by piece, or the events of the live page.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What makes a long answer, piece by piece.
pub(crate) type Pieces = Box<dyn Iterator<Item = Bytes> + Send>;

/// The body of an answer.
pub struct Body {
    kind: Kind,
    guard: Option<Box<dyn Send>>,
}

enum Kind {
    Whole(Bytes),
    Made(Making),
    Events(mpsc::Receiver<Bytes>),
}

/// The answer ended before its end: what makes it has panicked.
#[derive(Debug)]
pub struct BodyError(());

impl Body {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::new(Kind::Whole(bytes.into()))
    }

    /// Continues with what `rest` makes, each piece in a thread that may block. A client that is slow to read holds no thread.
    pub(crate) fn pieces(first: VecDeque<Bytes>, rest: Pieces) -> Self {
        Self::new(Kind::Made(Making {
            made: first,
            state: State::Idle(rest),
        }))
    }

    pub(crate) fn events(events: mpsc::Receiver<Bytes>) -> Self {
        Self::new(Kind::Events(events))
    }

    /// Holds `guard` until the body is dropped.
    pub(crate) fn with_guard(mut self, guard: impl Send + 'static) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }

    fn new(kind: Kind) -> Self {
        Self { kind, guard: None }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match &mut self.kind {
            Kind::Whole(bytes) if bytes.is_empty() => None,
            Kind::Whole(bytes) => Some(Ok(std::mem::take(bytes))),
            Kind::Made(making) => ready!(making.poll_next(cx)),
            Kind::Events(events) => ready!(events.poll_recv(cx)).map(Ok),
        };
        Poll::Ready(next.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.kind, Kind::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Made(_) | Kind::Events(_) => SizeHint::default(),
        }
    }
}

/// Pieces that are made while the body is read, one ahead of nobody.
struct Making {
    made: VecDeque<Bytes>,
    state: State,
}

enum State {
    Idle(Pieces),
    Working(JoinHandle<(Option<Bytes>, Pieces)>),
    Ended,
}

impl Making {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(piece) = self.made.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Idle(mut pieces) => {
                    let step = tokio::task::spawn_blocking(move || (pieces.next(), pieces));
                    self.state = State::Working(step);
                }
                State::Working(mut step) => match Pin::new(&mut step).poll(cx) {
                    Poll::Pending => {
                        self.state = State::Working(step);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((None, _))) => return Poll::Ready(None),
                    Poll::Ready(Ok((Some(piece), pieces))) => {
                        self.state = State::Idle(pieces);
                        return Poll::Ready(Some(Ok(piece)));
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Some(Err(BodyError(())))),
                },
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Whole(_) => "Whole",
            Kind::Made(_) => "Made",
            Kind::Events(_) => "Events",
        };
        f.debug_struct("Body")
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what makes the answer has panicked")
    }
}

impl Error for BodyError {}
