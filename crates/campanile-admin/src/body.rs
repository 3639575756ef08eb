//! The response body of the admin service.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Produces the chunks of a long response.
pub(crate) type Chunks = Box<dyn Iterator<Item = Bytes> + Send>;

/// The response body of the admin service: complete, chunked, or a stream of events.
pub struct Body {
    content: Content,
    #[cfg_attr(not(unix), expect(dead_code, reason = "only the admin port on Unix sets it"))]
    guard: Option<Box<dyn Send>>,
}

enum Content {
    Full(Bytes),
    Chunked(BlockingChunks),
    Events(mpsc::Receiver<Bytes>),
}

impl Body {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::new(Content::Full(bytes.into()))
    }

    /// Yields `ready`, then the chunks of `rest`, each produced on a blocking thread. A slow client occupies no thread.
    pub(crate) fn chunked(ready: VecDeque<Bytes>, rest: Chunks) -> Self {
        Self::new(Content::Chunked(BlockingChunks {
            ready,
            state: ChunksState::Idle(rest),
        }))
    }

    pub(crate) fn events(events: mpsc::Receiver<Bytes>) -> Self {
        Self::new(Content::Events(events))
    }

    /// Holds `guard` until the body is dropped.
    #[cfg(unix)]
    pub(crate) fn with_guard(mut self, guard: impl Send + 'static) -> Self {
        self.guard = Some(Box::new(guard));
        self
    }

    fn new(content: Content) -> Self {
        Self { content, guard: None }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match &mut self.content {
            Content::Full(bytes) if bytes.is_empty() => None,
            Content::Full(bytes) => Some(Ok(std::mem::take(bytes))),
            Content::Chunked(chunks) => ready!(chunks.poll_next(cx)),
            Content::Events(events) => ready!(events.poll_recv(cx)).map(Ok),
        };
        Poll::Ready(next.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, Content::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Chunked(_) | Content::Events(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

/// An iterator that is advanced on a blocking thread, one chunk per read.
struct BlockingChunks {
    ready: VecDeque<Bytes>,
    state: ChunksState,
}

enum ChunksState {
    Idle(Chunks),
    Working(JoinHandle<(Option<Bytes>, Chunks)>),
    Ended,
}

impl BlockingChunks {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(chunk) = self.ready.pop_front() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        loop {
            match std::mem::replace(&mut self.state, ChunksState::Ended) {
                ChunksState::Idle(mut chunks) => {
                    let step = tokio::task::spawn_blocking(move || (chunks.next(), chunks));
                    self.state = ChunksState::Working(step);
                }
                ChunksState::Working(mut step) => match Pin::new(&mut step).poll(cx) {
                    Poll::Pending => {
                        self.state = ChunksState::Working(step);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((None, _))) => return Poll::Ready(None),
                    Poll::Ready(Ok((Some(chunk), chunks))) => {
                        self.state = ChunksState::Idle(chunks);
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Some(Err(BodyError(())))),
                },
                ChunksState::Ended => return Poll::Ready(None),
            }
        }
    }
}

/// The error of a response body whose source panicked.
#[derive(Debug)]
pub struct BodyError(());

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("source of the response body panicked")
    }
}

impl Error for BodyError {}
