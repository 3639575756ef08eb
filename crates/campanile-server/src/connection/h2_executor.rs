//! Spawns the tasks of HTTP/2 streams.
//!
//! They run concurrently with their connection's task, so they have to be woken to notice that they are cut. A stream
//! registers for that once it is pending.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::state::{ConnectionState, ShutdownStage};

/// The executor of one connection's streams.
#[derive(Clone, Debug)]
pub(super) struct H2Executor {
    state: Arc<ConnectionState>,
    stage_changed: Arc<Notify>,
}

impl H2Executor {
    pub(super) fn new(state: Arc<ConnectionState>, stage_changed: Arc<Notify>) -> Self {
        Self { state, stage_changed }
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
            inner,
            notified: None,
            seen: ShutdownStage::Serving,
            executor: self.clone(),
        });
    }
}

pin_project! {
    struct StreamTask<F> {
        #[pin]
        inner: F,
        #[pin]
        notified: Option<OwnedNotified>,
        // The stage at the last poll of the inner future.
        seen: ShutdownStage,
        executor: H2Executor,
    }

    impl<F> PinnedDrop for StreamTask<F> {
        fn drop(this: Pin<&mut Self>) {
            this.executor.state.activity.stream_ended();
        }
    }
}

impl<F: Future> Future for StreamTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            if this.inner.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if this.notified.is_none() {
                let notified = Arc::clone(&this.executor.stage_changed).notified_owned();
                this.notified.set(Some(notified));
            }
            // Read after the registration: the connection's task stores the stage first, and notifies then.
            let stage = this.executor.state.stage();
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
