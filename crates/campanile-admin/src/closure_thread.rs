//! Runs a closure of the program on a blocking thread, so that the admin port never waits for it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use campanile_metrics::{CaughtPanic, ClosurePanics, RecorderHandle};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout};

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The blocking thread of one closure of the program.
///
/// The closure runs on one thread at a time: one that hangs occupies no second one, and is not called again until it returns.
/// Panics are caught, counted under the name of the closure, and the first is logged.
#[derive(Clone)]
pub(crate) struct ClosureThread {
    state: Arc<ClosureState>,
}

struct ClosureState {
    panics: ClosurePanics,
    permit: Arc<Semaphore>,
    running_since: Mutex<Option<Instant>>,
}

/// Why a closure returned no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClosureError {
    Panicked,
    TimedOut(Duration),
    StillRunning(Duration),
}

impl ClosureThread {
    /// Creates the thread of the closure with this name, the label of its metric.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            state: Arc::new(ClosureState {
                panics: ClosurePanics::new(name),
                permit: Arc::new(Semaphore::new(1)),
                running_since: Mutex::new(None),
            }),
        }
    }

    /// Runs `closure` for `limit` at most, including the wait for an earlier call. It keeps the thread until it returns, even
    /// if this future is dropped before. While an earlier call exceeds `limit`, it fails at once.
    pub(crate) async fn run<T, F>(&self, limit: Duration, closure: F) -> Result<T, ClosureError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.check_overrun(limit)?;
        let returned = timeout(limit, self.call(closure)).await;
        returned.unwrap_or(Err(ClosureError::TimedOut(limit)))
    }

    /// Runs the future that `make` returns for `limit` at most, as [`run`](Self::run) does. Each poll is one call: a future that
    /// is pending occupies no thread.
    pub(crate) async fn run_future<T, F>(&self, limit: Duration, make: F) -> Result<T, ClosureError>
    where
        T: Send + 'static,
        F: FnOnce() -> BoxFuture<T> + Send + 'static,
    {
        self.check_overrun(limit)?;
        let completed = async {
            let woken = Arc::new(Woken(Notify::new()));
            let waker = Waker::from(Arc::clone(&woken));
            let mut running = RunningFuture {
                future: Some(self.call(make).await?),
                thread: self,
            };
            loop {
                let (mut future, waker) = (running.future.take(), waker.clone());
                let poll = move || {
                    let polled = future
                        .as_mut()
                        .map(|future| future.as_mut().poll(&mut Context::from_waker(&waker)));
                    match polled {
                        // Drops the future on this thread.
                        Some(Poll::Ready(value)) => (Some(value), None),
                        _ => (None, future),
                    }
                };
                match self.call(poll).await? {
                    (Some(value), _) => return Ok(value),
                    (None, future) => running.future = future,
                }
                woken.0.notified().await;
            }
        };
        let returned = timeout(limit, completed).await;
        returned.unwrap_or(Err(ClosureError::TimedOut(limit)))
    }

    /// Calls a closure on the thread that runs this, for closures that cannot be moved to another one.
    pub(crate) fn catch<T>(&self, closure: impl FnOnce() -> T) -> Result<T, ClosureError> {
        self.state.catch(closure)
    }

    /// Drops a value of the program on a blocking thread: its destructor may block or panic.
    pub(crate) fn drop_value<T: Send + 'static>(&self, value: T) {
        let state = Arc::clone(&self.state);
        let drop_value = move || {
            let _ = state.catch(|| drop(value));
        };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(drop_value)),
            Err(_) => drop_value(),
        }
    }

    async fn call<T, F>(&self, closure: F) -> Result<T, ClosureError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let permit = Arc::clone(&self.state.permit).acquire_owned().await;
        let state = Arc::clone(&self.state);
        *state.running_since() = Some(Instant::now());
        let called = tokio::task::spawn_blocking(move || {
            let returned = state.catch(closure);
            *state.running_since() = None;
            drop(permit);
            returned
        });
        // Also fails if the runtime shuts down.
        called.await.unwrap_or(Err(ClosureError::Panicked))
    }

    fn check_overrun(&self, limit: Duration) -> Result<(), ClosureError> {
        let running = self.state.running_since().map(|since| since.elapsed());
        match running {
            Some(running) if running >= limit => Err(ClosureError::StillRunning(running)),
            _ => Ok(()),
        }
    }
}

impl ClosureState {
    fn catch<T>(&self, closure: impl FnOnce() -> T) -> Result<T, ClosureError> {
        let returned = self.panics.catch(RecorderHandle::global(), closure);
        returned.map_err(|panic| self.log(&panic))
    }

    fn log(&self, panic: &CaughtPanic) -> ClosureError {
        if panic.is_first() {
            let closure = self.panics.name();
            tracing::error!(closure, %panic, "a closure of the admin port panicked");
        }
        ClosureError::Panicked
    }

    fn running_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.running_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A future of the program between two polls.
struct RunningFuture<'a, T: Send + 'static> {
    future: Option<BoxFuture<T>>,
    thread: &'a ClosureThread,
}

impl<T: Send + 'static> Drop for RunningFuture<'_, T> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            self.thread.drop_value(future);
        }
    }
}

/// Keeps a wake-up that comes while the future is polled.
struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

impl fmt::Display for ClosureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked => f.write_str("callback panicked"),
            Self::TimedOut(limit) => write!(f, "callback timed out after {limit:?}"),
            Self::StillRunning(running) => {
                write!(f, "callback is still running after {}s", running.as_secs())
            }
        }
    }
}
