//! Named checks of what the service needs while it is ready.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::shared::Name;

/// What came of one check. [`Display`](fmt::Display) says `ok`, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckOutcome {
    /// All is well.
    Ok,
    /// It said no, and this is why.
    Failed(String),
    /// It did not answer within its time limit.
    TimedOut(Duration),
    /// It panicked, with this message.
    Panicked(String),
    /// It was not asked, or not waited for, since the service drains or has stopped.
    NotAsked,
    /// It is a latch, and not released yet.
    Held,
    /// It is a latch, and was dropped without being released.
    Abandoned,
}

/// All checks of a service.
#[derive(Debug, Default)]
pub(crate) struct Checks(Mutex<Vec<Arc<Check>>>);

pub(crate) struct Check {
    pub(crate) name: Name,
    limit: Duration,
    run: Box<Run>,
}

type Run = dyn Fn() -> Running<Result<(), String>> + Send + Sync;
type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl CheckOutcome {
    /// Tells whether the service can be ready with this outcome.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        matches!(self, Self::Ok)
    }
}

impl fmt::Display for CheckOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Failed(why) => f.write_str(why),
            Self::TimedOut(limit) => write!(f, "no answer within {limit:?}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::NotAsked => f.write_str("not asked: the service is stopping"),
            Self::Held => f.write_str("not done yet"),
            Self::Abandoned => f.write_str("given up"),
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
        let run = move || -> Running<Result<(), String>> {
            let answer = check();
            Box::pin(async move { answer.await.map_err(|error| error.to_string()) })
        };
        Self {
            name,
            limit,
            run: Box::new(run),
        }
    }

    /// Asks once. Whatever the check does, the future yields an outcome, within the time limit.
    pub(crate) fn ask(self: &Arc<Self>) -> Running<CheckOutcome> {
        let check = Arc::clone(self);
        Box::pin(async move {
            match tokio::time::timeout(check.limit, check.catch()).await {
                Ok(outcome) => outcome,
                Err(_) => CheckOutcome::TimedOut(check.limit),
            }
        })
    }

    async fn catch(&self) -> CheckOutcome {
        let mut running = None;
        let answer = poll_fn(|cx| {
            // What a panic leaves half done is the check's own and is dropped with it.
            let poll = AssertUnwindSafe(|| running.get_or_insert_with(|| (self.run)()).as_mut().poll(cx));
            match catch_unwind(poll) {
                Ok(answer) => answer.map(|answer| match answer {
                    Ok(()) => CheckOutcome::Ok,
                    Err(why) => CheckOutcome::Failed(why),
                }),
                Err(panic) => std::task::Poll::Ready(CheckOutcome::Panicked(message(&*panic))),
            }
        });
        answer.await
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
    /// Adds a check, in the place of one of the same name.
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
