//! Helpers of the tests.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_lifecycle::{Lifecycle, LifecycleHandle, Report, ShutdownConfig};
use tokio::task::JoinHandle;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(5);
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn config() -> ShutdownConfig {
    ShutdownConfig::new()
        .with_drain_time(DRAIN_TIME)
        .with_stop_timeout(STOP_TIMEOUT)
}

pub(crate) fn lifecycle() -> Lifecycle {
    Lifecycle::new(config()).expect("the times are short")
}

/// Runs a lifecycle until it is ready.
pub(crate) async fn ready() -> (LifecycleHandle, JoinHandle<Report>) {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run());
    within("readiness", handle.ready()).await;
    (handle, running)
}

/// Waits for at most a minute.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let timeout = Duration::from_secs(60);
    match tokio::time::timeout(timeout, future).await {
        Ok(output) => output,
        Err(_) => panic!("no {what} within {timeout:?}"),
    }
}

/// The log of the current thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(log.clone())
            .with_ansi(false)
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    #[track_caller]
    pub(crate) fn line(&self, of: &str) -> String {
        let text = self.text();
        let line = text.lines().find(|line| line.contains(of));
        line.unwrap_or_else(|| panic!("no `{of}` in\n{text}")).to_owned()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("lines are text")
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
