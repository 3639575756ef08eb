//! What a connection's task, its IO and its requests tell each other.
//!
//! All words are of one connection, written by the threads that its requests run on and by nobody else. `Relaxed` will
//! do throughout: each word stands for itself, and whoever has to act on one is woken through tokio.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use campanile_listen::{CloseReason, ConnectionControl, PeerAddress};

use super::activity::Activity;
use crate::site::Site;

/// How far the cut of a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cut {
    No,
    /// Requests without a head are answered.
    Answers,
    /// Bodies end.
    Bodies,
}

#[derive(Debug)]
pub(crate) struct State {
    site: Arc<Site>,
    peer: PeerAddress,
    local: Option<SocketAddr>,
    queue_wait: Option<Duration>,
    control: ConnectionControl,
    pub(crate) activity: Activity,
    leaving: AtomicBool,
    told: AtomicBool,
    lingers: AtomicBool,
    upgraded: AtomicBool,
    cut: AtomicU8,
    probe: AtomicU8,
}

/// Whether the IO has looked for bytes that the runtime has not heard of yet.
const NO_PROBE: u8 = 0;
const PROBE: u8 = 1;
const PROBED: u8 = 2;

impl State {
    pub(crate) fn new(
        site: Arc<Site>,
        peer: PeerAddress,
        local: Option<SocketAddr>,
        queue_wait: Option<Duration>,
        control: ConnectionControl,
    ) -> Self {
        Self {
            site,
            peer,
            local,
            queue_wait,
            control,
            activity: Activity::new(),
            leaving: AtomicBool::new(false),
            told: AtomicBool::new(false),
            lingers: AtomicBool::new(false),
            upgraded: AtomicBool::new(false),
            cut: AtomicU8::new(Cut::No as u8),
            probe: AtomicU8::new(NO_PROBE),
        }
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
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

    pub(crate) fn close_reason(&self, reason: CloseReason) {
        self.control.set_close_reason(reason);
    }

    /// Tells whether answers have to ask the client to go elsewhere.
    #[inline]
    pub(crate) fn is_leaving(&self) -> bool {
        self.site.handle.is_draining() || self.leaving.load(Ordering::Relaxed)
    }

    pub(crate) fn set_leaving(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Notes that the client was asked to go.
    pub(crate) fn set_told(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Notes whether bytes that nobody reads may still be coming when the connection ends.
    pub(crate) fn set_lingers(&self, lingers: bool) {
        self.lingers.store(lingers, Ordering::Relaxed);
    }

    pub(crate) fn lingers(&self) -> bool {
        self.lingers.load(Ordering::Relaxed)
    }

    /// Notes how a connection ends that nothing graver has happened to.
    pub(crate) fn end(&self) {
        let told = self.told.load(Ordering::Relaxed) || self.is_upgraded();
        if told && self.site.handle.is_draining() {
            self.close_reason(CloseReason::Drained);
        }
    }

    /// Notes that the answer with which HTTP/1 ends is on its way: from now on the IO looks after itself.
    pub(crate) fn set_upgraded(&self) {
        self.upgraded.store(true, Ordering::Relaxed);
        self.control.set_upgraded();
    }

    #[inline]
    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn cut(&self) -> Cut {
        match self.cut.load(Ordering::Relaxed) {
            0 => Cut::No,
            1 => Cut::Answers,
            _ => Cut::Bodies,
        }
    }

    /// Has the IO look, when it is read next, whether the connection is as silent as it seems.
    pub(super) fn probe(&self) {
        self.probe.store(PROBE, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_to_probe(&self) -> bool {
        self.probe.load(Ordering::Relaxed) == PROBE
    }

    /// Notes what the look has shown: bytes are as good as read.
    pub(super) fn probed(&self, has_unread: bool) {
        if has_unread {
            self.activity.heard();
        }
        let probe = if has_unread { NO_PROBE } else { PROBED };
        self.probe.store(probe, Ordering::Relaxed);
    }

    /// Tells once whether a look has shown that nothing waits to be read.
    pub(super) fn take_probed(&self) -> bool {
        self.probe.swap(NO_PROBE, Ordering::Relaxed) == PROBED
    }

    pub(crate) fn set_cut(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::Relaxed);
    }
}
