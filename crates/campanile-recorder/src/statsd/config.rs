//! What is common to recorder and flusher.

use std::{fmt, sync::Arc, time::Duration};

use metrics::Recorder;

use super::{
    Drainer, Dsn, Flusher, Format, OpenError, StatsdRecorder,
    counts::{Publisher, Tally},
    datagrams::Datagrams,
    line::Form,
    lines::Lines,
    queue::Queue,
    schedule::Schedule,
    socket,
};
use crate::Snapshot;

const QUEUE_SIZE: usize = 1 << 20;
const PERIOD: Duration = Duration::from_secs(10);

/// How lines look and where they go. It opens a socket by [`Self::recorder`] or [`Self::flusher`]; see the [module
/// docs](super).
#[derive(Clone)]
pub struct Statsd {
    dsn: Dsn,
    form: Form,
    queue_size: usize,
    schedule: Schedule,
    recorder: Option<&'static (dyn Recorder + Sync)>,
}

impl Statsd {
    /// Makes the configuration of lines to `dsn`, dotted, each 10 seconds.
    #[must_use]
    pub fn new(dsn: Dsn) -> Self {
        Self {
            form: Form {
                prefix: dsn.prefix().to_owned(),
                ..Form::default()
            },
            dsn,
            queue_size: QUEUE_SIZE,
            schedule: Schedule {
                period: PERIOD,
                on_wall_clock: false,
            },
            recorder: None,
        }
    }

    /// Sets how lines spell labels.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.form.format = format;
        self
    }

    /// Adds a tag to each line, such as the host's name. The dotted form has no tags, and leaves it out: what must be
    /// there belongs into the prefix.
    #[must_use]
    pub fn with_tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.form.tags.push((name.into(), value.into()));
        self
    }

    /// Sets how many bytes of lines may wait to be sent, 1 MiB by default, some 15,000 lines. Twice as much is reserved.
    #[must_use]
    pub fn with_queue_size(mut self, bytes: usize) -> Self {
        self.queue_size = bytes;
        self
    }

    /// Sets how often the recorder's gauges are sent again, and the flusher flushes; 10 seconds by default.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[must_use]
    pub fn with_period(mut self, period: Duration) -> Self {
        assert!(!period.is_zero(), "a period takes time");
        self.schedule.period = period;
        self
    }

    /// Ends periods at their multiples on the wall clock, as baseplate does, so that all processes report together.
    #[must_use]
    pub fn with_periods_on_wall_clock(mut self) -> Self {
        self.schedule.on_wall_clock = true;
        self
    }

    /// Tells `recorder` what became of the lines, at each period's end and at the end: the metrics begin with
    /// `campanile_statsd_`.
    #[must_use]
    pub fn with_recorder(mut self, recorder: &'static (dyn Recorder + Sync)) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Opens the socket, and makes a recorder that queues a line for each event and the drainer that sends them.
    ///
    /// # Errors
    ///
    /// If the host has no address, or there is no socket to be had. Nobody listening is no error.
    pub fn recorder(self) -> Result<(StatsdRecorder, Drainer), OpenError> {
        let tally = Arc::<Tally>::default();
        let datagrams = self.datagrams(&tally)?;
        let queue = Queue::new(self.queue_size, datagrams.size(), Arc::clone(&tally));
        let queue = Arc::new(queue);
        let publisher = Publisher::new(Arc::clone(&tally), self.recorder);
        let lines = Lines::new(self.form, Arc::clone(&queue), Arc::clone(&tally));
        let recorder = StatsdRecorder::new(lines, tally);
        let drainer = Drainer::new(recorder.clone(), queue, datagrams, self.schedule, publisher);
        Ok((recorder, drainer))
    }

    /// Opens the socket, and makes what sends snapshots of another recorder.
    ///
    /// Of one that counts in a directory `snapshot` must be
    /// [`CellRecorder::own_snapshot`](crate::CellRecorder::own_snapshot): daemons add up what comes, so the totals of all,
    /// sent by each, would arrive as often as there are processes.
    ///
    /// # Errors
    ///
    /// As [`Self::recorder`].
    pub fn flusher<F: FnMut() -> Snapshot>(self, snapshot: F) -> Result<Flusher<F>, OpenError> {
        let tally = Arc::<Tally>::default();
        let datagrams = self.datagrams(&tally)?;
        let publisher = Publisher::new(Arc::clone(&tally), self.recorder);
        Ok(Flusher::new(
            snapshot,
            self.form,
            datagrams,
            self.schedule,
            tally,
            publisher,
        ))
    }

    fn datagrams(&self, tally: &Arc<Tally>) -> Result<Datagrams, OpenError> {
        let sink = socket::open(&self.dsn)?;
        Ok(Datagrams::new(sink, self.dsn.max_size(), Arc::clone(tally)))
    }
}

impl fmt::Debug for Statsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statsd")
            .field("dsn", &self.dsn)
            .field("form", &self.form)
            .field("queue_size", &self.queue_size)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}
