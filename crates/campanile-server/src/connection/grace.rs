//! The last look at a socket before a timeout closes it.
//!
//! After a freeze of the process (SIGSTOP, a paused machine) a timer can fire before the runtime has seen the bytes that
//! arrived in time. A timeout therefore takes effect a moment later, and after a freeze a second later.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt;
use tokio::time::{self, Sleep};

use crate::timeouts::{CLOSING_GRACE, FROZEN, LAST_LOOK};

/// Returns how long to go on after a deadline, given how late it is noticed.
pub(super) fn after_deadline(late: Duration) -> Duration {
    if late > FROZEN { CLOSING_GRACE } else { LAST_LOOK }
}

/// Limits the time of a future, with a last look; `None` once it is over.
#[cfg(feature = "tls")]
pub(crate) async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let deadline = time::Instant::now() + limit;
    if let Ok(output) = time::timeout_at(deadline, &mut future).await {
        return Some(output);
    }
    time::timeout(after_deadline(deadline.elapsed()), future)
        .await
        .ok()
}

/// hyper's timer of HTTP/2 pings: one that fires late fires again, after the acknowledgement may have been read.
#[derive(Clone, Debug)]
pub(crate) struct GraceTimer;

struct GraceSleep {
    deadline: time::Instant,
    sleep: Pin<Box<Sleep>>,
}

impl GraceSleep {
    fn boxed(deadline: time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Self {
            deadline,
            sleep: Box::pin(time::sleep_until(deadline)),
        })
    }
}

impl rt::Timer for GraceTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        GraceSleep::boxed(time::Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        GraceSleep::boxed(deadline.into())
    }

    fn now(&self) -> Instant {
        time::Instant::now().into()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<GraceSleep>() {
            Some(sleep) => sleep.get_mut().reset(deadline.into()),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

impl GraceSleep {
    fn reset(&mut self, deadline: time::Instant) {
        self.deadline = deadline;
        self.sleep.as_mut().reset(deadline);
    }
}

impl Future for GraceSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.sleep.as_mut().poll(cx));
        if self.deadline.elapsed() <= FROZEN {
            return Poll::Ready(());
        }
        self.reset(time::Instant::now() + CLOSING_GRACE);
        self.sleep.as_mut().poll(cx)
    }
}

impl rt::Sleep for GraceSleep {}
