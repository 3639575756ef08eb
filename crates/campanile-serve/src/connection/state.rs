//! What a connection's task, its IO and its requests tell each other.
//!
//! All words are of one connection, written by the threads that its requests run on and by nobody else. Times are
//! microseconds since the accept, by a clock that costs a few nanoseconds. `Relaxed` will do throughout: each word
//! stands for itself, and whoever has to act on one is woken through tokio.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use campanile_http::clock::Mark;
use campanile_listen::{CloseReason, ConnectionControl, PeerAddress};

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
    born: Mark,
    /// Requests from the call to the end of the answer.
    in_flight: AtomicUsize,
    has_served: AtomicBool,
    /// Tasks of HTTP/2's streams, tunnels included.
    streams: AtomicU32,
    last_read: AtomicU64,
    /// When the first byte of a head came, 0 while there is none.
    head_began: AtomicU64,
    idle_since: AtomicU64,
    /// Since when the peer has taken no byte of what is to be written, 0 while nothing waits.
    blocked_since: AtomicU64,
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
            born: Mark::now(),
            in_flight: AtomicUsize::new(0),
            has_served: AtomicBool::new(false),
            streams: AtomicU32::new(0),
            last_read: AtomicU64::new(0),
            head_began: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
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

    /// Returns the time since the accept.
    #[inline]
    pub(crate) fn now(&self) -> Duration {
        self.born.until(Mark::now())
    }

    /// Notes that bytes came.
    #[inline]
    pub(crate) fn read(&self) {
        let now = micros(self.now());
        self.last_read.store(now, Ordering::Relaxed);
        if self.in_flight() == 0 && self.head_began.load(Ordering::Relaxed) == 0 {
            self.head_began.store(now, Ordering::Relaxed);
        }
    }

    pub(crate) fn last_read(&self) -> Duration {
        Duration::from_micros(self.last_read.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn head_began(&self) -> Option<Duration> {
        match self.head_began.load(Ordering::Relaxed) {
            0 => None,
            began => Some(Duration::from_micros(began)),
        }
    }

    pub(crate) fn idle_since(&self) -> Duration {
        Duration::from_micros(self.idle_since.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn request_began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.has_served.store(true, Ordering::Relaxed);
        self.head_began.store(0, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn request_ended(&self) {
        self.idle_since.store(micros(self.now()), Ordering::Relaxed);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn has_served(&self) -> bool {
        self.has_served.load(Ordering::Relaxed)
    }

    pub(super) fn stream_began(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stream_ended(&self) {
        self.idle_since.store(micros(self.now()), Ordering::Relaxed);
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes that the peer takes no more for now.
    #[cold]
    pub(super) fn write_blocked(&self) {
        if self.blocked_since().is_none() {
            self.blocked_since.store(micros(self.now()), Ordering::Relaxed);
        }
    }

    /// Notes that the peer has taken something.
    #[inline]
    pub(super) fn write_went_on(&self) {
        if self.blocked_since().is_some() {
            self.idle_since.store(micros(self.now()), Ordering::Relaxed);
            self.blocked_since.store(0, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn blocked_since(&self) -> Option<Duration> {
        match self.blocked_since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(Duration::from_micros(since)),
        }
    }

    /// Returns the requests whose answers have not left: those in flight, or one whose body has been handed over in whole
    /// and waits to be written.
    pub(crate) fn unanswered(&self) -> usize {
        self.in_flight().max(usize::from(self.blocked_since().is_some()))
    }

    /// Tells whether nothing is going on.
    pub(crate) fn is_idle(&self) -> bool {
        self.unanswered() == 0 && self.streams.load(Ordering::Relaxed) == 0
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
        self.control.upgraded();
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
            self.last_read.store(micros(self.now()), Ordering::Relaxed);
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

/// Never 0, which stands for no time.
#[inline]
fn micros(time: Duration) -> u64 {
    (time.as_micros() as u64).max(1)
}
