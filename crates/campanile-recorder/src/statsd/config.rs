//! The settings that the recorder and the flusher share.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use campanile_metrics::RecorderHandle;

use super::{
    Dsn, Flusher, LineFormat, LineSender, OpenError, StatsdRecorder,
    datagrams::Datagrams,
    host_lookup::{Resolver, system_resolver},
    line::LineStyle,
    queue::LineQueue,
    schedule::Schedule,
    stats::{AtomicStats, StatsPublisher},
};
use crate::Snapshot;

const QUEUE_SIZE: usize = 1 << 20;
const PERIOD: Duration = Duration::from_secs(10);

/// Configures where lines are sent and how they look. [`Self::recorder`] and [`Self::flusher`] open the socket. See the
/// [module docs](super).
#[derive(Clone)]
#[must_use]
pub struct Statsd {
    dsn: Dsn,
    style: LineStyle,
    queue_size: usize,
    schedule: Schedule,
    recorder: RecorderHandle,
    resolver: Resolver,
}

impl Statsd {
    /// Creates a configuration of dotted lines to `dsn`, with a period of 10 seconds.
    pub fn new(dsn: Dsn) -> Self {
        Self {
            style: LineStyle {
                prefix: dsn.prefix().to_owned(),
                ..LineStyle::default()
            },
            dsn,
            queue_size: QUEUE_SIZE,
            schedule: Schedule {
                period: PERIOD,
                on_wall_clock: false,
            },
            recorder: RecorderHandle::global(),
            resolver: system_resolver(),
        }
    }

    /// Sets how lines spell names and labels.
    pub fn with_format(mut self, format: LineFormat) -> Self {
        self.style.format = format;
        self
    }

    /// Adds a tag to every line, such as the host name. Dotted lines have no tags and ignore it; use the prefix there.
    pub fn with_tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.style.tags.push((name.into(), value.into()));
        self
    }

    /// Sets how many bytes of lines may be queued, 1 MiB by default, about 15,000 lines. Twice as much is allocated.
    pub fn with_queue_size(mut self, bytes: usize) -> Self {
        self.queue_size = bytes;
        self
    }

    /// Sets how often the recorder repeats gauges and the flusher flushes, every 10 seconds by default.
    ///
    /// Zero is an error when the socket is opened.
    pub fn with_period(mut self, period: Duration) -> Self {
        self.schedule.period = period;
        self
    }

    /// Sets whether periods end at multiples of their length on the wall clock, so that all processes report at the same
    /// time, as baseplate does. Off by default.
    pub fn with_wall_clock_periods(mut self, enabled: bool) -> Self {
        self.schedule.on_wall_clock = enabled;
        self
    }

    /// Sets the recorder of [`METRICS`](super::METRICS), the global one by default. They are updated at the end of each
    /// period and of the run.
    ///
    /// If the recorder is the one that sends lines, or its snapshots are flushed, they are sent as lines as well.
    pub fn with_recorder(mut self, recorder: impl Into<RecorderHandle>) -> Self {
        self.recorder = recorder.into();
        self
    }

    /// Sets how the host is looked up, by the system's resolver by default. The closure gets host and port.
    ///
    /// It is called on a thread of its own, and may block.
    pub fn with_resolver(
        mut self,
        resolver: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Opens the socket, and creates a recorder that queues a line per event and the sender of the queued lines.
    ///
    /// # Errors
    ///
    /// If the period is zero or a socket cannot be opened. Neither a missing daemon is an error, nor a host without an
    /// address: it is looked up while the sender runs.
    pub fn recorder(self) -> Result<(StatsdRecorder, LineSender), OpenError> {
        let (stats, datagrams) = self.open()?;
        let queue = Arc::new(LineQueue::new(
            self.queue_size,
            datagrams.size(),
            Arc::clone(&stats),
        ));
        let publisher = StatsPublisher::new(Arc::clone(&stats), self.recorder);
        let recorder = StatsdRecorder::new(self.style, Arc::clone(&queue), stats);
        let sender = LineSender::new(recorder.clone(), queue, datagrams, self.schedule, publisher);
        Ok((recorder, sender))
    }

    /// Opens the socket, and creates a flusher of snapshots.
    ///
    /// With a shared directory, `snapshot` must return [`CellRecorder::own_snapshot`](crate::CellRecorder::own_snapshot):
    /// daemons sum what they receive, so the totals of all processes would be counted once per process.
    ///
    /// # Errors
    ///
    /// As [`Self::recorder`].
    pub fn flusher<F: FnMut() -> Snapshot>(self, snapshot: F) -> Result<Flusher<F>, OpenError> {
        let (stats, datagrams) = self.open()?;
        let publisher = StatsPublisher::new(Arc::clone(&stats), self.recorder);
        Ok(Flusher::new(
            snapshot,
            self.style,
            datagrams,
            self.schedule,
            stats,
            publisher,
        ))
    }

    fn open(&self) -> Result<(Arc<AtomicStats>, Datagrams), OpenError> {
        if self.schedule.period.is_zero() {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "the period is zero");
            return Err(OpenError::new(&self.dsn, source));
        }
        let stats = Arc::<AtomicStats>::default();
        let datagrams = Datagrams::open(&self.dsn, Arc::clone(&self.resolver), Arc::clone(&stats))?;
        Ok((stats, datagrams))
    }
}

impl fmt::Debug for Statsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statsd")
            .field("dsn", &self.dsn)
            .field("style", &self.style)
            .field("queue_size", &self.queue_size)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}
