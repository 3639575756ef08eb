//! How long accepted connections waited in the accept queue.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use campanile_metrics::{LazyHandle, RecorderHandle};
use metrics::{Histogram, SharedString};

use crate::AsFd;
use crate::kernel;
use crate::metrics::wait_histogram;

/// Returns how long a newly accepted connection waited in the accept queue, to the tick of the kernel's clock (1 to
/// 10 ms). `None` where the kernel does not report it: for unix sockets, and on systems other than Linux.
///
/// The time is measured from the handshake, whether or not the client has sent data since. Call it **before anything is
/// sent** on the connection; afterwards the result is too small. It makes one system call.
///
/// Source: `tcpi_last_data_sent` of `TCP_INFO`, which starts at the handshake since Linux 4.12.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let _client = tokio::net::TcpStream::connect(listener.local_addr()?).await?;
/// let (connection, _peer) = listener.accept().await?;
/// let waited = campanile_backlog::waited(&connection);
/// # assert_eq!(waited.is_some(), cfg!(target_os = "linux"));
/// # Ok(()) }
/// ```
#[must_use]
pub fn waited(connection: &impl AsFd) -> Option<Duration> {
    kernel::waited(connection).ok()
}

/// Records how long the connections of one listener waited, in `listener_backlog_wait_seconds`. Cloning copies a pointer.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use campanile_backlog::WaitRecorder;
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let waits = WaitRecorder::new(listener.local_addr()?.to_string());
/// # let _client = tokio::net::TcpStream::connect(listener.local_addr()?).await?;
/// loop {
///     let (connection, _peer) = listener.accept().await?;
///     let waited = waits.record(&connection); // also returned
/// #   let _ = waited;
/// #   break Ok(());
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct WaitRecorder {
    state: Arc<WaitState>,
}

struct WaitState {
    label: SharedString,
    recorder: RecorderHandle,
    measures: AtomicBool,
    histogram: LazyHandle<Histogram>,
}

impl WaitRecorder {
    /// Creates a recorder for the listener with this label, which should be that of its
    /// [`Backlog`](crate::Backlog::label). It registers nothing yet.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        let label = SharedString::from_owned(label.into());
        Self::build(label, RecorderHandle::global(), true)
    }

    /// Records to `recorder` instead of the global one. Set it before cloning.
    #[must_use]
    pub fn with_recorder(self, recorder: impl Into<RecorderHandle>) -> Self {
        let measures = self.state.measures.load(Ordering::Relaxed);
        Self::build(self.state.label.clone(), recorder.into(), measures)
    }

    /// Turns measuring on or off; it is on by default. While it is off there is no system call per connection and no
    /// series. Set it before cloning.
    #[must_use]
    pub fn with_measuring(self, measures: bool) -> Self {
        Self::build(self.state.label.clone(), self.state.recorder, measures)
    }

    fn build(label: SharedString, recorder: RecorderHandle, measures: bool) -> Self {
        Self {
            state: Arc::new(WaitState {
                label,
                recorder,
                measures: AtomicBool::new(measures),
                histogram: LazyHandle::new(),
            }),
        }
    }

    /// Measures, records and returns how long a newly accepted connection waited; `None` if measuring is off, or where
    /// [`waited`] returns `None`. After one connection of an unsupported socket type it stops measuring.
    pub fn record(&self, connection: &impl AsFd) -> Option<Duration> {
        let state = &*self.state;
        if !state.measures.load(Ordering::Relaxed) {
            return None;
        }
        match kernel::waited(connection) {
            Ok(waited) => {
                let register = |recorder: &dyn metrics::Recorder| wait_histogram(recorder, &state.label);
                if let Some(histogram) = state.histogram.get(state.recorder, register) {
                    histogram.record(waited);
                }
                Some(waited)
            }
            Err(error) => {
                if is_permanent(&error) {
                    state.measures.store(false, Ordering::Relaxed);
                }
                None
            }
        }
    }
}

/// Returns whether every connection of the listener would fail with this error.
fn is_permanent(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOPROTOOPT)) {
        return true;
    }
    error.kind() == io::ErrorKind::Unsupported
}

impl fmt::Debug for WaitRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitRecorder")
            .field("label", &self.state.label)
            .field("measures", &self.state.measures)
            .finish_non_exhaustive()
    }
}
