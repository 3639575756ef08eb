//! Waits that end: each says what it waited for when it gives up.

use std::{fmt::Display, time::Duration};

/// How long a test waits for what must happen. Long, since it costs nothing where all is well.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until `check` is content.
///
/// # Panics
///
/// After [`PATIENCE`], with what was awaited and what `check` said last.
pub async fn eventually(awaited: impl Display, check: impl Fn() -> Result<(), String>) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let Err(why) = check() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "awaited {awaited}, but {why}"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Awaits a future no longer than [`PATIENCE`].
///
/// # Panics
///
/// When it takes longer, with what was awaited.
pub async fn within<T>(awaited: impl Display, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => panic!("awaited {awaited} in vain"),
    }
}
