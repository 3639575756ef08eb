//! Spawns the tasks of HTTP/2 streams.
//!
//! They run concurrently with their connection's task, so they have to be woken to notice that they are cut, or that their
//! client takes nothing. A stream registers for that once it is pending.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use campanile_core::exchange::run_both;
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::stall_sweep::StallMark;
use super::state::{ConnectionState, ShutdownStage};
use super::stream_progress::StreamProgress;

/// The executor of one connection's streams.
#[derive(Clone, Debug)]
pub(super) struct H2Executor {
    state: Arc<ConnectionState>,
    wake: Arc<Notify>,
}

impl H2Executor {
    pub(super) fn new(state: Arc<ConnectionState>, wake: Arc<Notify>) -> Self {
        Self { state, wake }
    }
}

impl<F> Executor<F> for H2Executor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, inner: F) {
        self.state.activity.stream_began();
        tokio::spawn(StreamTask {
            inner: Some(inner),
            notified: None,
            seen: ShutdownStage::Serving,
            progress: None,
            mark: StallMark::default(),
            executor: self.clone(),
        });
    }
}

pin_project! {
    struct StreamTask<F> {
        // `None` once complete: hyper has passed the whole response to `h2`, or the client has reset the stream.
        #[pin]
        inner: Option<F>,
        #[pin]
        notified: Option<OwnedNotified>,
        // The stage at the last poll of the inner future.
        seen: ShutdownStage,
        progress: Option<Arc<StreamProgress>>,
        mark: StallMark,
        executor: H2Executor,
    }

    impl<F> PinnedDrop for StreamTask<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The body ends here at the latest. A stream that is not ended is reset with CANCEL.
            this.inner.set(None);
            let state = &this.executor.state;
            let progress = this.progress.as_ref().filter(|progress| progress.has_ended());
            // The stream ends also if the recorder panics.
            run_both(
                || {
                    if progress.is_some_and(|progress| progress.is_delivered()) {
                        state.context().handle.count_served_request();
                    }
                },
                || {
                    if progress.is_some() {
                        state.activity.delivery_ended();
                    }
                    state.activity.stream_ended();
                },
            );
        }
    }
}

impl<F: Future> StreamTask<F> {
    /// Polls the inner future, and then waits for the client to take the response.
    fn poll_delivered(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(inner) = this.inner.as_mut().as_pin_mut() {
            let is_new = this.progress.is_none();
            if is_new {
                // Left by a task that panicked.
                drop(StreamProgress::take_begun());
            }
            let polled = inner.poll(cx);
            if is_new {
                *this.progress = StreamProgress::take_begun();
            }
            ready!(polled);
            // hyper keeps a frame of a stream that was reset.
            this.inner.set(None);
        }
        match this.progress {
            Some(progress) => progress.poll_empty(cx),
            None => Poll::Ready(()),
        }
    }
}

impl<F: Future> Future for StreamTask<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.as_mut().poll_delivered(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut this = self.as_mut().project();
            if this.notified.is_none() {
                let notified = Arc::clone(&this.executor.wake).notified_owned();
                this.notified.set(Some(notified));
            }
            // Read after the registration: the connection's task stores the stage and the sweep first, and notifies then.
            let state = &this.executor.state;
            if let Some(progress) = this.progress
                && this.mark.is_stalled(&state.sweep, progress)
            {
                state.stream_stalled(this.inner.is_none());
                return Poll::Ready(());
            }
            let stage = state.stage();
            if (stage < ShutdownStage::Rejecting || stage == *this.seen)
                && let Some(notified) = this.notified.as_mut().as_pin_mut()
            {
                ready!(notified.poll(cx));
            }
            *this.seen = this.executor.state.stage();
            this.notified.set(None);
        }
    }
}
