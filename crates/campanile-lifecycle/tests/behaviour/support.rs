//! What the tests share.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_lifecycle::{Handle, Lifecycle, Report, Settings};
use tokio::task::JoinHandle;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(5);
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn settings() -> Settings {
    Settings::new()
        .with_drain_time(DRAIN_TIME)
        .with_stop_timeout(STOP_TIMEOUT)
}

pub(crate) fn lifecycle() -> Lifecycle {
    Lifecycle::new(settings()).expect("the times are short")
}

/// Runs a lifecycle that is ready.
pub(crate) async fn ready() -> (Handle, JoinHandle<Report>) {
    let lifecycle = lifecycle();
    let handle = lifecycle.handle();
    let running = tokio::spawn(lifecycle.run());
    within("readiness", handle.ready()).await;
    (handle, running)
}

/// Waits, but not for ever.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(60);
    match tokio::time::timeout(patience, future).await {
        Ok(output) => output,
        Err(_) => panic!("no {what} within {patience:?}"),
    }
}

/// The lines that this thread has logged.
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
        line.unwrap_or_else(|| panic!("no line of `{of}` in\n{text}"))
            .to_owned()
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
