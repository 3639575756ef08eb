//! The state shared by a connection's task, its IO and its requests.
//!
//! `Relaxed` suffices throughout: each field is read on its own, and a task that has to act on a change is woken through
//! tokio.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use campanile_listen::{CloseReason, ConnectionControl, PeerAddress};

use super::activity::Activity;
use super::eviction::Eviction;
use super::stall_sweep::StallSweep;
use super::upload::Upload;
use crate::listener_context::ListenerContext;

/// How far a connection has come in its shutdown. It only advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ShutdownStage {
    /// The drain has not begun.
    Serving,
    /// The drain has begun: HTTP/1 responses carry `Connection: close`, HTTP/2 gets a GOAWAY at a random moment.
    Draining,
    /// The drain time has elapsed, or the connection is too old or idle: it closes once idle and silent.
    Closing,
    /// The stop timeout has elapsed: requests without a response head are rejected.
    Rejecting,
    /// Response bodies end early.
    Aborting,
}

#[derive(Debug)]
pub(crate) struct ConnectionState {
    context: Arc<ListenerContext>,
    peer: PeerAddress,
    local: Option<SocketAddr>,
    queue_wait: Option<Duration>,
    control: ConnectionControl,
    pub(crate) activity: Activity,
    pub(crate) eviction: Eviction,
    pub(crate) upload: Upload,
    pub(super) sweep: StallSweep,
    stage: AtomicU8,
    close_announced: AtomicBool,
    lingers: AtomicBool,
    upgraded: AtomicBool,
    read_ended: AtomicBool,
    dropped: AtomicBool,
    probe: AtomicU8,
}

// A probe checks the kernel for bytes that the runtime has not seen yet.
const NO_PROBE: u8 = 0;
const PROBE_REQUESTED: u8 = 1;
const PROBED_SILENT: u8 = 2;

impl ConnectionState {
    pub(crate) fn new(
        context: Arc<ListenerContext>,
        peer: PeerAddress,
        local: Option<SocketAddr>,
        queue_wait: Option<Duration>,
        control: ConnectionControl,
    ) -> Self {
        Self {
            context,
            peer,
            local,
            queue_wait,
            control,
            activity: Activity::new(),
            eviction: Eviction::default(),
            upload: Upload::new(),
            sweep: StallSweep::default(),
            stage: AtomicU8::new(ShutdownStage::Serving as u8),
            close_announced: AtomicBool::new(false),
            lingers: AtomicBool::new(false),
            upgraded: AtomicBool::new(false),
            read_ended: AtomicBool::new(false),
            dropped: AtomicBool::new(false),
            probe: AtomicU8::new(NO_PROBE),
        }
    }

    pub(crate) fn context(&self) -> &ListenerContext {
        &self.context
    }

    pub(crate) fn peer(&self) -> &PeerAddress {
        &self.peer
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.local
    }

    pub(crate) fn queue_wait(&self) -> Option<Duration> {
        self.queue_wait
    }

    pub(crate) fn set_close_reason(&self, reason: CloseReason) {
        self.control.set_close_reason(reason);
    }

    #[inline]
    pub(crate) fn stage(&self) -> ShutdownStage {
        match self.stage.load(Ordering::Relaxed) {
            0 => ShutdownStage::Serving,
            1 => ShutdownStage::Draining,
            2 => ShutdownStage::Closing,
            3 => ShutdownStage::Rejecting,
            _ => ShutdownStage::Aborting,
        }
    }

    pub(super) fn set_stage(&self, stage: ShutdownStage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Returns whether responses must ask the client to reconnect. Reads the lifecycle too, since this connection's task
    /// may not have been polled since the drain began.
    #[inline]
    pub(crate) fn is_closing(&self) -> bool {
        self.context.handle.is_draining() || self.stage() >= ShutdownStage::Closing
    }

    /// Records that the client was asked to close the connection, by a header or a GOAWAY.
    pub(crate) fn set_close_announced(&self) {
        self.close_announced.store(true, Ordering::Relaxed);
    }

    /// Sets whether unread bytes may still arrive when the connection closes.
    pub(crate) fn set_lingers(&self, lingers: bool) {
        self.lingers.store(lingers, Ordering::Relaxed);
    }

    pub(crate) fn lingers(&self) -> bool {
        self.lingers.load(Ordering::Relaxed)
    }

    /// Sets the close reason `drained` if the drain has asked the client to close. An error or a cut takes precedence.
    pub(crate) fn end(&self) {
        let was_asked_to_close = self.close_announced.load(Ordering::Relaxed) || self.is_upgraded();
        if was_asked_to_close && self.context.handle.is_draining() {
            self.set_close_reason(CloseReason::Drained);
        }
    }

    /// Records that an upgrade response ends HTTP/1 on this connection. From here on only the IO watches for the cut.
    pub(crate) fn set_upgraded(&self) {
        self.upgraded.store(true, Ordering::Relaxed);
        self.control.set_upgraded();
    }

    #[inline]
    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Ordering::Relaxed)
    }

    /// Records that the client has closed its side or reset the connection.
    #[cold]
    pub(super) fn set_read_ended(&self) {
        self.read_ended.store(true, Ordering::Relaxed);
    }

    /// Returns whether the client has closed its side or reset the connection.
    #[inline]
    pub(crate) fn has_read_ended(&self) -> bool {
        self.read_ended.load(Ordering::Relaxed)
    }

    /// Counts a stream whose client takes nothing. If it `is_written`, it is ended, and cannot be reset.
    #[cold]
    pub(super) fn stream_stalled(&self, is_written: bool) {
        if is_written {
            self.sweep.set_has_dead_streams();
        }
        self.count_stalled(1);
        tracing::debug!(peer = %self.peer, "response stalled: the client takes nothing");
    }

    /// Counts responses that end because the client does not take them.
    #[cold]
    pub(super) fn count_stalled(&self, responses: usize) {
        self.context.metrics.count_stalled_responses(responses);
        if self.context.handle.is_draining() {
            self.context.handle.count_cut_requests(responses as u64);
        }
    }

    /// Records that the connection ends by a timeout or an error, so there is little to wait for.
    pub(super) fn set_dropped(&self) {
        self.dropped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Requests that the next read checks whether bytes wait in the kernel.
    pub(super) fn request_probe(&self) {
        self.probe.store(PROBE_REQUESTED, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_probe_requested(&self) -> bool {
        self.probe.load(Ordering::Relaxed) == PROBE_REQUESTED
    }

    /// Records the result of a probe; waiting bytes count as received.
    pub(super) fn set_probed(&self, has_unread: bool) {
        let probe = if has_unread {
            self.activity.record_received();
            NO_PROBE
        } else {
            PROBED_SILENT
        };
        self.probe.store(probe, Ordering::Relaxed);
    }

    /// Returns, once, whether a probe has found no bytes.
    pub(super) fn take_probed_silent(&self) -> bool {
        self.probe.swap(NO_PROBE, Ordering::Relaxed) == PROBED_SILENT
    }
}
