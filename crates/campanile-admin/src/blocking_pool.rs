//! A bounded number of blocking threads for one kind of callback.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A share of the runtime's blocking threads.
///
/// A callback that hangs keeps its thread. With a pool per kind of callback, the others still have theirs.
#[derive(Clone)]
pub(crate) struct BlockingPool {
    permits: Arc<Semaphore>,
}

/// Why a callback returned no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallbackError {
    Panicked,
    TimedOut,
}

impl BlockingPool {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(threads)),
        }
    }

    /// Runs `callback`, for ten seconds at most, including the wait for a thread. It keeps its thread until it returns, even if
    /// this future is dropped before.
    pub(crate) async fn run<T, F>(&self, callback: F) -> Result<T, CallbackError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let returned = async {
            let permit = Arc::clone(&self.permits).acquire_owned().await;
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                callback()
            })
            .await
        };
        match tokio::time::timeout(TIMEOUT, returned).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(CallbackError::Panicked),
            Err(_) => Err(CallbackError::TimedOut),
        }
    }
}

impl fmt::Display for CallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked => f.write_str("callback panicked"),
            Self::TimedOut => write!(f, "callback timed out after {TIMEOUT:?}"),
        }
    }
}
