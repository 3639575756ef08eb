//! One listener among those of a monitor.

use std::io;

use crate::backlog::Backlog;
use crate::kernel::{Identified, Namespace, Reading, Socket, UnixDiag};
use crate::metrics::{ListenerHandles, Source};
use crate::options::WatchOptions;
use crate::warnings::Said;

#[derive(Debug)]
pub(crate) struct Watched {
    socket: Socket,
    backlog: Backlog,
    shared: bool,
    is_of_this_namespace: bool,
    /// What the kernel had dropped at the last sample.
    drops: u32,
    /// What was dropped between the last two samples, not judged yet.
    risen: u32,
    had_filter: bool,
    /// What is counted and not yet told to a recorder.
    untold: u64,
    handles: Option<ListenerHandles>,
    last: Last,
    said: Said,
}

/// What came of the last sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Read,
    Failed,
    Ended,
}

impl Watched {
    pub(crate) fn new(
        identified: Identified,
        backlog: Backlog,
        options: &WatchOptions,
        counted: Option<&Namespace>,
    ) -> Self {
        let Reading {
            pending,
            limit,
            drops,
        } = identified.reading;
        backlog.set(pending, limit);
        Self {
            is_of_this_namespace: counted.is_some_and(|counted| identified.socket.is_of(counted)),
            had_filter: identified.socket.has_filter(),
            socket: identified.socket,
            backlog,
            shared: options.shared,
            drops: drops.unwrap_or_default(),
            risen: 0,
            untold: 0,
            handles: None,
            last: Last::Read,
            said: Said::default(),
        }
    }

    pub(crate) fn is_same(&self, socket: &Socket) -> bool {
        self.socket.is_same(socket)
    }

    pub(crate) fn label(&self) -> &str {
        self.backlog.label()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.last == Last::Ended
    }

    /// Reads the queue. What was dropped has to be [judged](Self::judge) then.
    pub(crate) fn read(&mut self, diag: &mut Option<UnixDiag>) {
        self.risen = 0;
        match self.socket.read(diag) {
            Ok(Some(reading)) => self.is_read(reading),
            Ok(None) => {
                self.backlog.end();
                self.last = Last::Ended;
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Tells whether something was dropped in a namespace whose counts say what for.
    pub(crate) fn needs_judgement(&self) -> bool {
        self.risen > 0 && self.is_of_this_namespace
    }

    /// Decides which drops were overflows, given how many of those there were in the namespace in the meantime, if known.
    ///
    /// The kernel has one count of drops for a socket, in which a filter's are too, as a stop attaches one to its
    /// listener, and packets that are broken. So a listener had no more overflows than its namespace, and none under a
    /// filter.
    pub(crate) fn judge(&mut self, in_namespace: Option<u64>) {
        // One that was there must be seen to go, or it would be held against what comes long after.
        if self.risen == 0 && !self.had_filter {
            return;
        }
        let had_filter = std::mem::replace(&mut self.had_filter, self.socket.has_filter());
        let most = in_namespace.filter(|_| self.is_of_this_namespace);
        let most = most.map_or(u32::MAX, |most| most.try_into().unwrap_or(u32::MAX));
        let overflows = if had_filter || self.had_filter {
            0
        } else {
            self.risen.min(most)
        };
        if overflows > 0 {
            self.untold += u64::from(overflows);
            self.backlog.overflowed(overflows);
            self.said.overflowed(
                self.backlog.label(),
                self.backlog.pending(),
                self.backlog.limit(),
                overflows,
            );
        }
    }

    /// Records what was read.
    pub(crate) fn record(&mut self, source: Source, is_writer: bool) {
        if self.shared && !is_writer {
            // Whoever writes counts it.
            self.untold = 0;
            self.end_series();
            return;
        }
        if self.handles.is_none() {
            let (label, counts) = (self.backlog.shared_label(), self.socket.counts_drops());
            self.handles = source.resolve(|recorder| ListenerHandles::resolve(recorder, &label, counts));
        }
        let Some(handles) = &self.handles else { return };
        match self.last {
            Last::Failed => handles.errors.increment(1),
            Last::Ended => {
                handles.pending.set(0.0);
                handles.limit.set(0.0);
            }
            Last::Read => {
                handles.pending.set(self.backlog.pending());
                handles.limit.set(self.backlog.limit());
                handles.samples.increment(1);
            }
        }
        if let (Some(overflows), 1..) = (&handles.overflows, self.untold) {
            overflows.increment(std::mem::take(&mut self.untold));
        }
    }

    /// Ends the series with zeros: gauges that nobody sets any more must not show what once was.
    pub(crate) fn end_series(&mut self) {
        if let Some(handles) = self.handles.take() {
            handles.pending.set(0.0);
            handles.limit.set(0.0);
        }
    }

    /// Ends it altogether.
    pub(crate) fn end(&mut self) {
        self.backlog.end();
        self.end_series();
    }

    fn is_read(&mut self, reading: Reading) {
        self.last = Last::Read;
        self.said.succeeded(self.backlog.label());
        self.backlog.set(reading.pending, reading.limit);
        match reading.drops {
            Some(drops) => self.risen = drops.wrapping_sub(std::mem::replace(&mut self.drops, drops)),
            // Nobody counts a unix listener's overflows, but one that is full refuses.
            None if reading.pending > reading.limit => {
                self.said
                    .overflowed(self.backlog.label(), reading.pending, reading.limit, 0);
            }
            None => {}
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.last = Last::Failed;
        self.said.failed(self.backlog.label(), error);
    }
}
