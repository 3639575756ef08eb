//! The response body of the admin service.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;

use crate::closure_thread::{BoxFuture, ClosureError, ClosureThread};

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
    Shared(SharedText),
    Chunked(BlockingChunks),
    Events(mpsc::Receiver<Bytes>),
    /// No body, in place of one of unknown length.
    Omitted,
}

impl Body {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::new(Content::Full(bytes.into()))
    }

    pub(crate) fn shared(text: SharedText) -> Self {
        Self::new(Content::Shared(text))
    }

    /// Yields `ready`, then the chunks of `rest`, each produced on `thread` within `limit`. A slow client occupies no thread.
    pub(crate) fn chunked(
        ready: VecDeque<Bytes>,
        rest: Chunks,
        thread: ClosureThread,
        limit: Duration,
    ) -> Self {
        Self::new(Content::Chunked(BlockingChunks {
            ready,
            state: ChunksState::Idle(rest),
            thread,
            limit,
        }))
    }

    pub(crate) fn events(events: mpsc::Receiver<Bytes>) -> Self {
        Self::new(Content::Events(events))
    }

    pub(crate) fn omitted() -> Self {
        Self::new(Content::Omitted)
    }

    /// Returns whether the body has no end of its own.
    #[cfg(unix)]
    pub(crate) fn is_endless(&self) -> bool {
        matches!(self.content, Content::Events(_))
    }

    /// Holds `guard` until the body is dropped, after all guards that it already has.
    pub(crate) fn with_guard(mut self, guard: impl Send + 'static) -> Self {
        self.guard = Some(Box::new((self.guard.take(), guard)));
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
            Content::Shared(text) => text.next().map(Ok),
            Content::Omitted => None,
            Content::Chunked(chunks) => ready!(chunks.poll_next(cx)),
            Content::Events(events) => ready!(events.poll_recv(cx)).map(Ok),
        };
        Poll::Ready(next.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Full(bytes) => bytes.is_empty(),
            Content::Shared(text) => text.length == 0,
            Content::Omitted => true,
            Content::Chunked(_) | Content::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Shared(text) => SizeHint::with_exact(text.length),
            Content::Chunked(_) | Content::Events(_) | Content::Omitted => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

/// The chunks of a complete text that several responses share.
pub(crate) struct SharedText {
    chunks: Arc<[Bytes]>,
    next: usize,
    /// The length of the chunks that are left.
    length: u64,
}

impl SharedText {
    pub(crate) fn new(chunks: Arc<[Bytes]>) -> Self {
        Self {
            next: 0,
            length: chunks.iter().map(|chunk| chunk.len() as u64).sum(),
            chunks,
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        let chunk = self.chunks.get(self.next)?.clone();
        self.next += 1;
        self.length -= chunk.len() as u64;
        Some(chunk)
    }
}

/// An iterator that is advanced on a blocking thread, one chunk per read.
struct BlockingChunks {
    ready: VecDeque<Bytes>,
    state: ChunksState,
    thread: ClosureThread,
    limit: Duration,
}

/// A chunk, and the iterator unless it has ended.
type Advanced = (Option<Bytes>, Option<Chunks>);

enum ChunksState {
    Idle(Chunks),
    Working(BoxFuture<Result<Advanced, ClosureError>>),
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
                    let (thread, limit) = (self.thread.clone(), self.limit);
                    self.state = ChunksState::Working(Box::pin(async move {
                        let next = thread.run(limit, move || match chunks.next() {
                            Some(chunk) => (Some(chunk), Some(chunks)),
                            None => (None, None),
                        });
                        next.await
                    }));
                }
                ChunksState::Working(mut step) => match step.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.state = ChunksState::Working(step);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((chunk, chunks))) => {
                        self.state = chunks.map_or(ChunksState::Ended, ChunksState::Idle);
                        return Poll::Ready(chunk.map(Ok));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(BodyError(error)))),
                },
                ChunksState::Ended => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for BlockingChunks {
    fn drop(&mut self) {
        if let ChunksState::Idle(chunks) = std::mem::replace(&mut self.state, ChunksState::Ended) {
            self.thread.drop_value(chunks);
        }
    }
}

/// The error of a response body whose source panicked or exceeded its time limit.
#[derive(Debug)]
pub struct BodyError(ClosureError);

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source of the response body: {}", self.0)
    }
}

impl Error for BodyError {}
