//! Named readiness checks.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use crate::Name;

/// The outcome of one check or latch. [`Display`](fmt::Display) writes `ok`, or the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// The check passed.
    Ok,
    /// The check failed with this error.
    Failed(String),
    /// The check did not complete within its time limit.
    TimedOut(Duration),
    /// The check panicked with this message.
    Panicked(String),
    /// The check did not run, or not to its end, because the service is shutting down.
    Skipped,
    /// A latch that is not released yet.
    Held,
    /// A latch that was dropped without release.
    Abandoned,
}

/// The checks of a service.
#[derive(Debug, Default)]
pub(crate) struct Checks(Mutex<Vec<Arc<Check>>>);

pub(crate) struct Check {
    pub(crate) name: Name,
    limit: Duration,
    run: Box<RunCheck>,
}

type RunCheck = dyn Fn() -> BoxFuture<Result<(), String>> + Send + Sync;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl CheckOutcome {
    /// Returns whether the check passed.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        matches!(self, Self::Ok)
    }
}

impl fmt::Display for CheckOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Failed(error) => f.write_str(error),
            Self::TimedOut(limit) => write!(f, "timed out after {limit:?}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Skipped => f.write_str("skipped: the service is shutting down"),
            Self::Held => f.write_str("not released yet"),
            Self::Abandoned => f.write_str("dropped without release"),
        }
    }
}

impl Check {
    pub(crate) fn new<F, Fut, E>(name: Name, limit: Duration, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let run = move || -> BoxFuture<Result<(), String>> {
            let result = check();
            Box::pin(async move { result.await.map_err(|error| error.to_string()) })
        };
        Self {
            name,
            limit,
            run: Box::new(run),
        }
    }

    /// Runs the check once. The future yields an outcome within the time limit, also if the check panics.
    pub(crate) fn run(self: &Arc<Self>) -> BoxFuture<CheckOutcome> {
        let check = Arc::clone(self);
        Box::pin(async move {
            match tokio::time::timeout(check.limit, check.catch_panic()).await {
                Ok(outcome) => outcome,
                Err(_) => CheckOutcome::TimedOut(check.limit),
            }
        })
    }

    async fn catch_panic(&self) -> CheckOutcome {
        let mut running = None;
        poll_fn(|cx| {
            // Unwind safe: the only state that a panic can break is the check's future, which is dropped.
            let poll = AssertUnwindSafe(|| running.get_or_insert_with(|| (self.run)()).as_mut().poll(cx));
            match catch_unwind(poll) {
                Ok(result) => result.map(|result| match result {
                    Ok(()) => CheckOutcome::Ok,
                    Err(error) => CheckOutcome::Failed(error),
                }),
                Err(panic) => Poll::Ready(CheckOutcome::Panicked(message(&*panic))),
            }
        })
        .await
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Checks {
    /// Adds a check, or replaces the one of the same name.
    pub(crate) fn add(&self, check: Check) {
        let mut checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let check = Arc::new(check);
        match checks.iter_mut().find(|known| known.name == check.name) {
            Some(known) => *known = check,
            None => checks.push(check),
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Check>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
