//! Named readiness checks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use campanile_metrics::{CaughtPanic, ClosurePanics, RecorderHandle};
use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::Name;

/// The most checks that are polled at the same time. Each occupies a blocking thread of the runtime while it is polled.
const MAX_THREADS: usize = 16;

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
    /// An earlier run of the check blocks its thread, for this long so far, and the check was not started again.
    StillRunning(Duration),
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
#[derive(Debug)]
pub(crate) struct Checks {
    checks: Mutex<Vec<Arc<Check>>>,
    threads: Arc<Semaphore>,
}

/// A readiness check of the program.
///
/// It is polled on blocking threads, so that one that blocks holds up neither the other checks nor its caller, and occupies one
/// thread at most. Calls that come during a run get the outcome of that run.
pub(crate) struct Check {
    pub(crate) name: Name,
    limit: Duration,
    run: Box<RunCheck>,
    panics: ClosurePanics,
    threads: Arc<Semaphore>,
    /// Allows one poll at a time.
    thread: Arc<Semaphore>,
    state: Mutex<CheckState>,
}

#[derive(Default)]
struct CheckState {
    run: Option<WeakShared<BoxFuture<CheckOutcome>>>,
    /// Since when the check is on a thread.
    polled_since: Option<Instant>,
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
            Self::StillRunning(since) => write!(f, "still running after {}s", since.as_secs()),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::Skipped => f.write_str("skipped: the service is shutting down"),
            Self::Held => f.write_str("not released yet"),
            Self::Abandoned => f.write_str("dropped without release"),
        }
    }
}

impl Check {
    fn new<F, Fut, E>(name: Name, limit: Duration, threads: Arc<Semaphore>, check: F) -> Self
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
            panics: ClosurePanics::new(format!("check:{name}")),
            name,
            limit,
            run: Box::new(run),
            threads,
            thread: Arc::new(Semaphore::new(1)),
            state: Mutex::default(),
        }
    }

    /// Runs the check once, or joins the run that is in progress. The future yields an outcome within the time limit, also if
    /// the check panics or blocks.
    pub(crate) fn run(self: &Arc<Self>, recorder: RecorderHandle) -> Shared<BoxFuture<CheckOutcome>> {
        let mut state = self.state();
        if let Some(run) = state.run.as_ref().and_then(WeakShared::upgrade)
            && run.peek().is_none()
        {
            return run;
        }
        let check = Arc::clone(self);
        let run: BoxFuture<CheckOutcome> = match state.polled_since.map(|since| since.elapsed()) {
            Some(blocked) if blocked >= self.limit => {
                Box::pin(std::future::ready(CheckOutcome::StillRunning(blocked)))
            }
            _ => Box::pin(async move {
                match tokio::time::timeout(check.limit, Arc::clone(&check).complete(recorder)).await {
                    Ok(outcome) => outcome,
                    Err(_) => CheckOutcome::TimedOut(check.limit),
                }
            }),
        };
        let run = run.shared();
        state.run = run.downgrade();
        run
    }

    async fn complete(self: Arc<Self>, recorder: RecorderHandle) -> CheckOutcome {
        let woken = Arc::new(Woken(Notify::new()));
        let mut pending = PendingCheck {
            check: self,
            future: None,
            recorder,
        };
        loop {
            let waker = Waker::from(Arc::clone(&woken));
            match pending.poll_on_thread(waker).await {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => woken.0.notified().await,
            }
        }
    }

    /// Calls what runs code of the program; counts its panics, and logs the first.
    fn catch<T>(&self, recorder: RecorderHandle, call: impl FnOnce() -> T) -> Result<T, CaughtPanic> {
        let returned = self.panics.catch(recorder, call);
        if let Err(panic) = &returned
            && panic.is_first()
        {
            let check = &*self.name;
            tracing::error!(check, %panic, "a readiness check panicked");
        }
        returned
    }

    fn state(&self) -> MutexGuard<'_, CheckState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run of a check, between two polls.
struct PendingCheck {
    check: Arc<Check>,
    future: Option<BoxFuture<Result<(), String>>>,
    recorder: RecorderHandle,
}

/// The result of one poll.
enum Polled {
    Done(Result<(), String>),
    Pending(BoxFuture<Result<(), String>>),
}

impl PendingCheck {
    async fn poll_on_thread(&mut self, waker: Waker) -> Poll<CheckOutcome> {
        let (check, recorder) = (Arc::clone(&self.check), self.recorder);
        let turn = Arc::clone(&check.thread).acquire_owned().await;
        let thread = Arc::clone(&check.threads).acquire_owned().await;
        let future = self.future.take();
        check.state().polled_since = Some(Instant::now());
        let polled = tokio::task::spawn_blocking(move || {
            let polled = check.catch(recorder, || {
                let mut future = future.unwrap_or_else(|| (check.run)());
                match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Pending => Polled::Pending(future),
                    Poll::Ready(result) => Polled::Done(result),
                }
            });
            check.state().polled_since = None;
            drop((thread, turn));
            polled
        });
        Poll::Ready(match polled.await {
            Ok(Ok(Polled::Done(Ok(())))) => CheckOutcome::Ok,
            Ok(Ok(Polled::Done(Err(error)))) => CheckOutcome::Failed(error),
            Ok(Ok(Polled::Pending(future))) => {
                self.future = Some(future);
                return Poll::Pending;
            }
            Ok(Err(panic)) => CheckOutcome::Panicked(panic.message().to_owned()),
            // The runtime shuts down.
            Err(_) => CheckOutcome::Skipped,
        })
    }
}

impl Drop for PendingCheck {
    /// The destructor of a check's future may block or panic as well.
    fn drop(&mut self) {
        let Some(future) = self.future.take() else {
            return;
        };
        let (check, recorder) = (Arc::clone(&self.check), self.recorder);
        let drop_future = move || {
            let _ = check.catch(recorder, || drop(future));
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(drop_future)),
            Err(_) => drop_future(),
        }
    }
}

/// Keeps a wake-up that comes while the check is polled.
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
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
    pub(crate) fn add<F, Fut, E>(&self, name: Name, limit: Duration, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let check = Arc::new(Check::new(name, limit, Arc::clone(&self.threads), check));
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        match checks.iter_mut().find(|known| known.name == check.name) {
            Some(known) => *known = check,
            None => checks.push(check),
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Check>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            checks: Mutex::default(),
            threads: Arc::new(Semaphore::new(MAX_THREADS)),
        }
    }
}
