//! When a connection is to leave, and how.
//!
//! | tone | since | what it means |
//! |---|---|---|
//! | serving | the accept | the timeouts hold |
//! | polite | the drain began | answers of HTTP/1 say `Connection: close`; HTTP/2 gets a GOAWAY at a moment of its own |
//! | leave | the drain time is over, or the maximum age has come | closed once idle, after a silence |
//! | cut | the stop timeout is over | what waits is answered, then bodies end, then the IO is dropped |
//!
//! MethodClass at each poll of the connection, so while all is well it costs two loads and a look at a timer that is seldom
//! set anew.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use campanile_lifecycle::PhaseReached;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::plan::Plan;
use super::sniff::Protocol;
use super::state::{Cut, State};

/// What the connection is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Take no more than what is in flight.
    Leave,
    /// Be polled again: requests will find that they are cut.
    Look,
    /// Be dropped.
    Abandon(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    Serving,
    Polite,
    Leave,
    Cut,
}

pub(super) struct Watch<'a> {
    pub(super) state: &'a State,
    pub(super) protocol: Protocol,
    /// Woken to find that they are cut.
    streams: Option<&'a Notify>,
    pub(super) tone: Tone,
    next: PhaseReached,
    timer: Pin<Box<Sleep>>,
    /// Whom the timer wakes, once it was polled since it was set.
    waker: Option<Waker>,
    /// What the timer is set to, by the state's clock.
    armed: Option<Duration>,
    /// The earliest deadline that the plan has met.
    wake: Option<Duration>,
    pub(super) began: Duration,
    pub(super) max_age: Option<Duration>,
    pub(super) go_away: Duration,
    pub(super) leave_began: Duration,
    pub(super) cut_began: Duration,
    pub(super) turned_away: Option<Duration>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(state: &'a State, protocol: Protocol, streams: Option<&'a Notify>) -> Self {
        let site = state.site();
        Self {
            state,
            protocol,
            streams,
            tone: Tone::Serving,
            next: site.handle.draining(),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            waker: None,
            armed: None,
            wake: None,
            began: state.activity.now(),
            // Connections that came together must not all go together.
            max_age: site
                .limits
                .max_age
                .map(|age| age.mul_f64(0.9 + 0.2 * fastrand::f64())),
            go_away: Duration::ZERO,
            leave_began: Duration::ZERO,
            cut_began: Duration::ZERO,
            turned_away: None,
        }
    }

    /// To be asked after the connection was polled.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Order> {
        while self.tone < Tone::Cut && Pin::new(&mut self.next).poll(cx).is_ready() {
            if self.advance() == Tone::Cut {
                return Poll::Ready(Order::Leave);
            }
        }
        let mut look =
            self.armed.is_none() || self.tone > Tone::Serving || self.state.activity.head_began().is_some();
        loop {
            if look {
                let now = self.state.activity.now();
                self.wake = None;
                if let Plan::Do(order) = self.plan(now) {
                    return Poll::Ready(order);
                }
                self.arm(now);
            }
            if self.armed.is_none() {
                return Poll::Pending;
            }
            if self.will_be_woken(cx) && !self.timer.is_elapsed() {
                return Poll::Pending;
            }
            ready!(self.timer.as_mut().poll(cx));
            self.armed = None;
            look = true;
        }
    }

    /// Tells whether the timer knows this task, which it does from the first time on: asking it anew at each poll of the
    /// connection would cost more than the rest.
    fn will_be_woken(&mut self, cx: &Context<'_>) -> bool {
        let known = self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if !known {
            self.waker = Some(cx.waker().clone());
        }
        known
    }

    /// Goes over to the next tone of the service.
    fn advance(&mut self) -> Tone {
        let handle = &self.state.site().handle;
        let now = self.state.activity.now();
        match self.tone {
            Tone::Serving => {
                self.tone = Tone::Polite;
                self.next = handle.drain_elapsed();
                // All at once would be a stampede at the other servers.
                let left = handle
                    .drain_deadline()
                    .map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
                self.go_away = now + left.mul_f64(0.5 * fastrand::f64());
            }
            Tone::Polite => self.leave(now),
            Tone::Leave | Tone::Cut => {
                self.tone = Tone::Cut;
                self.cut_began = now;
                self.cut();
            }
        }
        self.tone
    }

    pub(super) fn leave(&mut self, now: Duration) {
        self.tone = Tone::Leave;
        self.leave_began = now;
        self.next = self.state.site().handle.cutting();
        self.state.set_leaving();
    }

    fn cut(&self) {
        let requests = self.state.activity.unanswered();
        let log = &self.state.site().cut_log;
        log.begin();
        if requests > 0 {
            log.connection(self.state, requests);
        }
        self.state.set_cut(Cut::Answers);
        self.wake_streams();
    }

    pub(super) fn wake_streams(&self) {
        if let Some(streams) = self.streams {
            streams.notify_waiters();
        }
    }

    /// Tells whether a moment has come; if not, the timer is to wake for it.
    pub(super) fn due(&mut self, at: Duration, now: Duration) -> bool {
        if now >= at {
            return true;
        }
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
        false
    }

    /// Sets the timer, unless it wakes early enough anyway.
    fn arm(&mut self, now: Duration) {
        if let Some(wake) = self.wake
            && self.armed.is_none_or(|armed| wake < armed)
        {
            self.timer.as_mut().reset(Instant::now() + (wake - now));
            self.armed = Some(wake);
            self.waker = None;
        }
    }
}
