//! A background task that a stop waits for, up to a deadline of its own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use crate::hold::Hold;
use crate::phase::Stage;
use crate::reached::Reached;
use crate::shared::{Name, Shared};

pin_project! {
    /// A future that the stop waits for, by name. Made by [`Handle::task`](crate::Handle::task).
    ///
    /// It yields what the future yields, or nothing if that was cut: at its own deadline, which counts from the end of
    /// the drain time, or when everything is cut. The future is dropped then and there. To hear of the stop before
    /// that is the future's own business, by [`Handle::draining`](crate::Handle::draining) or
    /// [`Handle::draining_over`](crate::Handle::draining_over).
    #[must_use = "futures do nothing unless polled"]
    pub struct Task<F> {
        #[pin]
        future: Option<F>,
        #[pin]
        timer: Option<Sleep>,
        deadline: Duration,
        name: Name,
        stopping: Reached,
        cutting: Reached,
        shared: Arc<Shared>,
        // After the future, so that nobody takes it for done before it is gone.
        hold: Option<Hold>,
    }
}

impl<F> Task<F> {
    pub(crate) fn new(shared: &Arc<Shared>, name: Name, deadline: Duration, future: F) -> Self {
        Self {
            future: Some(future),
            timer: None,
            deadline,
            stopping: Reached::new(shared, Stage::Stopping),
            cutting: Reached::new(shared, Stage::Cutting),
            shared: Arc::clone(shared),
            hold: Some(Hold::new(shared, Some(name.clone()))),
            name,
        }
    }
}

impl<F: Future> Future for Task<F> {
    type Output = Option<F::Output>;

    /// # Panics
    ///
    /// If it is polled again after it has yielded.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let output = match future.expect("a task is not polled after its end").poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => {
                let mut cut = Pin::new(&mut *this.cutting).poll(cx).is_ready();
                if !cut && Pin::new(&mut *this.stopping).poll(cx).is_ready() {
                    if this.timer.is_none() {
                        let began = this.shared.stop_began.get().copied();
                        let began = began.unwrap_or_else(Instant::now);
                        this.timer
                            .set(Some(tokio::time::sleep_until(began + *this.deadline)));
                    }
                    let timer = this.timer.as_mut().as_pin_mut();
                    if timer.is_some_and(|timer| timer.poll(cx).is_ready()) {
                        tracing::warn!(task = &**this.name, "cut at its deadline of {:?}", this.deadline);
                        this.shared.names.cut(this.name.clone());
                        cut = true;
                    }
                }
                if !cut {
                    return Poll::Pending;
                }
                None
            }
        };
        this.future.set(None);
        *this.hold = None;
        Poll::Ready(output)
    }
}

impl<F> fmt::Debug for Task<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .field("deadline", &self.deadline)
            .field("done", &self.hold.is_none())
            .finish_non_exhaustive()
    }
}
