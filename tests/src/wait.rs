//! Bounded waits, whose failures name what was awaited.

use std::{fmt::Display, time::Duration};

/// The bound of a wait. Generous, because it costs nothing in a passing test.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Polls `check` until it returns `Ok`.
///
/// # Panics
///
/// After [`TIMEOUT`], with `awaited` and the last error.
pub async fn eventually(awaited: impl Display, check: impl Fn() -> Result<(), String>) {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    while let Err(why) = check() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "waited for {awaited}, but {why}"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Awaits a future.
///
/// # Panics
///
/// After [`TIMEOUT`], with `awaited`.
pub async fn within<T>(awaited: impl Display, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(TIMEOUT, future).await {
        Ok(result) => result,
        Err(_) => panic!("timed out waiting for {awaited}"),
    }
}
