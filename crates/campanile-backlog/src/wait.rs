//! How long an accepted connection waited in the kernel's queue.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Histogram, Recorder, SharedString};

use crate::fd::AsFd;
use crate::kernel;
use crate::metrics::{Source, wait_histogram};

/// Returns how long a connection that was just accepted had waited for that, to the tick of the kernel's clock (1 to
/// 10 ms); nothing where the kernel does not tell: for unix sockets, and where there is no Linux.
///
/// It is the time since the handshake, whether or not the client has spoken since. Ask **before anything is sent** on the
/// connection: later it is the time since that, or less. One system call.
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

/// Records how long the connections of one listener waited, into `listener_backlog_wait_seconds`. Cloning copies a
/// pointer.
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
///     let waited = waits.record(&connection); // for whoever wants to know it too
/// #   let _ = waited;
/// #   break Ok(());
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct WaitRecorder {
    shared: Arc<Shared>,
}

struct Shared {
    label: SharedString,
    source: Source,
    measures: AtomicBool,
    histogram: OnceLock<Histogram>,
}

impl WaitRecorder {
    /// Creates a recorder for the listener with this label, spelt as its queue is:
    /// [`Backlog::label`](crate::Backlog::label). It registers nothing yet.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        Self::build(SharedString::from_owned(label.into()), Source::default(), true)
    }

    /// Records to `recorder` instead of the installed one. Set it before cloning.
    #[must_use]
    pub fn with_recorder(self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        let measures = self.shared.measures.load(Ordering::Relaxed);
        Self::build(self.shared.label.clone(), Source::of(recorder), measures)
    }

    /// Switches measuring off or on; it is on unless switched off. Off, no connection costs a system call and there is no
    /// series. Set it before cloning.
    #[must_use]
    pub fn with_measuring(self, measures: bool) -> Self {
        Self::build(self.shared.label.clone(), self.shared.source, measures)
    }

    /// Measures how long a connection that was just accepted had waited, records and returns it. Nothing where measuring
    /// is off, or [`waited`] knows nothing; a kind of socket that cannot be asked is asked once only.
    pub fn record(&self, connection: &impl AsFd) -> Option<Duration> {
        let shared = &*self.shared;
        if !shared.measures.load(Ordering::Relaxed) {
            return None;
        }
        match kernel::waited(connection) {
            Ok(waited) => {
                shared.observe(waited);
                Some(waited)
            }
            Err(error) => {
                if is_for_good(&error) {
                    shared.measures.store(false, Ordering::Relaxed);
                }
                None
            }
        }
    }

    fn build(label: SharedString, source: Source, measures: bool) -> Self {
        Self {
            shared: Arc::new(Shared {
                label,
                source,
                measures: AtomicBool::new(measures),
                histogram: OnceLock::new(),
            }),
        }
    }
}

impl Shared {
    fn observe(&self, waited: Duration) {
        let resolve = |recorder: &dyn Recorder| {
            self.histogram
                .get_or_init(|| wait_histogram(recorder, &self.label))
        };
        let histogram = self.histogram.get();
        if let Some(histogram) = histogram {
            histogram.record(waited);
        } else {
            self.source.resolve(|recorder| resolve(recorder).record(waited));
        }
    }
}

/// Tells whether no connection of this listener will ever be told of.
fn is_for_good(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOPROTOOPT)) {
        return true;
    }
    error.kind() == io::ErrorKind::Unsupported
}

impl fmt::Debug for WaitRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitRecorder")
            .field("label", &self.shared.label)
            .field("measures", &self.shared.measures)
            .finish_non_exhaustive()
    }
}
