//! Work in threads that may block, so much of one kind at once.
//!
//! What the caller gave may hang. Each kind then has used up its own threads, and those of other kinds go on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// What takes longer has hung, and whoever asked has given up.
const TIME: Duration = Duration::from_secs(10);

/// Threads for one kind of work.
#[derive(Clone)]
pub(crate) struct Lane {
    threads: Arc<Semaphore>,
}

/// Why there is nothing to show for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Panicked,
    TooLong,
}

impl Lane {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(threads)),
        }
    }

    /// Does the work. It takes up its thread until it ends, also when nobody waits any longer.
    pub(crate) async fn run<T, W>(&self, work: W) -> Result<T, Failure>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let done = async {
            let thread = Arc::clone(&self.threads).acquire_owned().await;
            let work = move || {
                let _thread = thread;
                work()
            };
            tokio::task::spawn_blocking(work).await
        };
        match tokio::time::timeout(TIME, done).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(Failure::Panicked),
            Err(_) => Err(Failure::TooLong),
        }
    }
}
