//! One listener of a monitor.

use std::io;

use campanile_metrics::RecorderHandle;

use crate::backlog::Backlog;
use crate::kernel::{Identified, ListeningSocket, Netstat, QueueReading, UnixDiag};
use crate::metrics::ListenerHandles;
use crate::options::WatchOptions;
use crate::warnings::ListenerLog;

#[derive(Debug)]
pub(crate) struct WatchedListener {
    socket: ListeningSocket,
    backlog: Backlog,
    shared: bool,
    /// Whether the namespace counters include this listener.
    in_namespace: bool,
    /// The socket's drop count at the last sample.
    drops: u32,
    /// Drops between the last two samples.
    new_drops: u32,
    had_filter: bool,
    /// Overflows that no recorder has received yet.
    unrecorded: u64,
    handles: Option<ListenerHandles>,
    last: SampleResult,
    log: ListenerLog,
}

/// The result of the last sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SampleResult {
    Read,
    Failed,
    Closed,
}

impl WatchedListener {
    pub(crate) fn new(
        identified: Identified,
        backlog: Backlog,
        options: &WatchOptions,
        netstat: Option<&Netstat>,
    ) -> Self {
        let QueueReading {
            pending,
            limit,
            drops,
        } = identified.reading;
        backlog.set(pending, limit);
        Self {
            in_namespace: netstat.is_some_and(|netstat| identified.socket.is_in_namespace(netstat)),
            had_filter: identified.socket.has_filter(),
            socket: identified.socket,
            backlog,
            shared: options.shared,
            drops: drops.unwrap_or_default(),
            new_drops: 0,
            unrecorded: 0,
            handles: None,
            last: SampleResult::Read,
            log: ListenerLog::default(),
        }
    }

    pub(crate) fn is_same(&self, socket: &ListeningSocket) -> bool {
        self.socket.is_same(socket)
    }

    pub(crate) fn label(&self) -> &str {
        self.backlog.label()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.last == SampleResult::Closed
    }

    /// Reads the queue. [`count_overflows`](Self::count_overflows) must follow.
    pub(crate) fn read(&mut self, diag: &mut Option<UnixDiag>) {
        self.new_drops = 0;
        match self.socket.read(diag) {
            Ok(Some(reading)) => self.on_reading(reading),
            Ok(None) => {
                self.backlog.close();
                self.last = SampleResult::Closed;
            }
            Err(error) => self.on_error(&error),
        }
    }

    fn on_reading(&mut self, reading: QueueReading) {
        self.last = SampleResult::Read;
        self.log.on_success(self.backlog.label());
        self.backlog.set(reading.pending, reading.limit);
        match reading.drops {
            Some(drops) => self.new_drops = drops.wrapping_sub(std::mem::replace(&mut self.drops, drops)),
            // The kernel does not count overflows of unix listeners, but a full one refuses clients.
            None if reading.pending > reading.limit => {
                self.log
                    .on_overflow(self.backlog.label(), reading.pending, reading.limit, 0);
            }
            None => {}
        }
    }

    fn on_error(&mut self, error: &io::Error) {
        self.last = SampleResult::Failed;
        self.log.on_error(self.backlog.label(), error);
    }

    /// Returns whether there are drops to compare with the namespace counters.
    pub(crate) fn needs_namespace_counts(&self) -> bool {
        self.new_drops > 0 && self.in_namespace
    }

    /// Counts the new drops that were overflows, given the number of overflows in the namespace in the same time.
    ///
    /// The kernel has one drop count per socket, which includes packets that a filter dropped, such as the one of a
    /// closing listener, and invalid packets. So a listener has at most as many overflows as its namespace, and none
    /// while it has a filter.
    pub(crate) fn count_overflows(&mut self, in_namespace: Option<u64>) {
        // A detached filter must be noticed even without drops; otherwise later drops would be attributed to it.
        if self.new_drops == 0 && !self.had_filter {
            return;
        }
        let had_filter = std::mem::replace(&mut self.had_filter, self.socket.has_filter());
        let max = in_namespace.filter(|_| self.in_namespace);
        let max = max.map_or(u32::MAX, |max| max.try_into().unwrap_or(u32::MAX));
        let overflows = if had_filter || self.had_filter {
            0
        } else {
            self.new_drops.min(max)
        };
        if overflows > 0 {
            self.unrecorded += u64::from(overflows);
            self.backlog.add_overflows(overflows);
            self.log.on_overflow(
                self.backlog.label(),
                self.backlog.pending(),
                self.backlog.limit(),
                overflows,
            );
        }
    }

    /// Records the last sample.
    pub(crate) fn record(&mut self, recorder: RecorderHandle, is_writer: bool) {
        if self.shared && !is_writer {
            self.unrecorded = 0;
            self.zero_gauges();
            return;
        }
        if self.handles.is_none() {
            let (label, counts_overflows) = (self.backlog.shared_label(), self.socket.counts_drops());
            self.handles =
                recorder.with(|recorder| ListenerHandles::register(recorder, &label, counts_overflows));
        }
        let Some(handles) = &self.handles else { return };
        match self.last {
            SampleResult::Failed => handles.errors.increment(1),
            SampleResult::Closed => {
                handles.pending.set(0.0);
                handles.limit.set(0.0);
            }
            SampleResult::Read => {
                handles.pending.set(self.backlog.pending());
                handles.limit.set(self.backlog.limit());
                handles.samples.increment(1);
            }
        }
        if let (Some(overflows), 1..) = (&handles.overflows, self.unrecorded) {
            overflows.increment(std::mem::take(&mut self.unrecorded));
        }
    }

    /// Sets the gauges to 0, since they are no longer updated.
    fn zero_gauges(&mut self) {
        if let Some(handles) = self.handles.take() {
            handles.pending.set(0.0);
            handles.limit.set(0.0);
        }
    }

    /// Stops watching.
    pub(crate) fn stop(&mut self) {
        self.backlog.close();
        self.zero_gauges();
    }
}
