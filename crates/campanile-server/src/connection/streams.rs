//! The tasks of HTTP/2's streams.
//!
//! They run beside their connection's task, on any thread, so at the cut they have to be woken to find that they are
//! cut. A stream registers for that once it had to wait.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::state::{Cut, State};

/// Spawns the streams of one connection.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    state: Arc<State>,
    cut: Arc<Notify>,
}

impl Streams {
    pub(super) fn new(state: Arc<State>, cut: Arc<Notify>) -> Self {
        Self { state, cut }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, inner: F) {
        self.state.activity.stream_began();
        tokio::spawn(Stream {
            inner,
            waiting: None,
            seen: Cut::No,
            streams: self.clone(),
        });
    }
}

pin_project! {
    struct Stream<F> {
        #[pin]
        inner: F,
        #[pin]
        waiting: Option<OwnedNotified>,
        seen: Cut,
        streams: Streams,
    }

    impl<F> PinnedDrop for Stream<F> {
        fn drop(this: Pin<&mut Self>) {
            this.streams.state.activity.stream_ended();
        }
    }
}

impl<F: Future> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            if this.inner.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if this.waiting.is_none() {
                let waiting = Arc::clone(&this.streams.cut).notified_owned();
                this.waiting.set(Some(waiting));
            }
            // Looked at after the registration: whoever cuts sets the word first, and wakes then.
            let cut = this.streams.state.cut();
            if cut == *this.seen
                && let Some(waiting) = this.waiting.as_mut().as_pin_mut()
            {
                ready!(waiting.poll(cx));
            }
            *this.seen = this.streams.state.cut();
            this.waiting.set(None);
        }
    }
}
