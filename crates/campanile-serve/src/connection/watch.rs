//! When a connection is to leave, and how.
//!
//! | tone | since | what it means |
//! |---|---|---|
//! | serving | the accept | the timeouts hold |
//! | polite | the drain began | answers of HTTP/1 say `Connection: close`; HTTP/2 gets a GOAWAY at a moment of its own |
//! | leave | the drain time is over, or the maximum age has come | closed once idle, after a silence |
//! | cut | the stop timeout is over | what waits is answered, then bodies end, then the IO is dropped |
//!
//! Asked at each poll of the connection, so while all is well it costs two loads and a look at a timer that is seldom
//! set anew.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use campanile_lifecycle::Reached;
use campanile_listen::CloseReason;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::sniff::Protocol;
use super::state::{Cut, State};
use crate::limits::{SILENCE, TO_END_STREAMS, TO_FLUSH, TO_LEAVE};

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
enum Tone {
    Serving,
    Polite,
    Leave,
    Cut,
}

enum Plan {
    Do(Order),
    Wait,
}

pub(super) struct Watch<'a> {
    state: &'a State,
    protocol: Protocol,
    streams: &'a Notify,
    tone: Tone,
    next: Reached,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set to, by the state's clock.
    armed: Option<Duration>,
    /// The earliest deadline that the plan has met.
    wake: Option<Duration>,
    began: Duration,
    max_age: Option<Duration>,
    go_away: Duration,
    /// It was accepted in the drain.
    came_late: bool,
    leave_began: Duration,
    cut_began: Duration,
    turned_away: Option<Duration>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(state: &'a State, protocol: Protocol, streams: &'a Notify) -> Self {
        let site = state.site();
        Self {
            state,
            protocol,
            streams,
            tone: Tone::Serving,
            next: site.handle.draining(),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: None,
            wake: None,
            began: state.now(),
            // Connections that came together must not all go together.
            max_age: site
                .limits
                .max_age
                .map(|age| age.mul_f64(0.9 + 0.2 * fastrand::f64())),
            go_away: Duration::ZERO,
            came_late: site.handle.is_draining(),
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
        let mut look = self.armed.is_none() || self.tone > Tone::Serving || self.state.head_began().is_some();
        loop {
            if look {
                let now = self.state.now();
                self.wake = None;
                if let Plan::Do(order) = self.plan(now) {
                    return Poll::Ready(order);
                }
                self.arm(now);
            }
            if self.armed.is_none() {
                return Poll::Pending;
            }
            ready!(self.timer.as_mut().poll(cx));
            self.armed = None;
            look = true;
        }
    }

    /// Goes over to the next tone of the service.
    fn advance(&mut self) -> Tone {
        let handle = &self.state.site().handle;
        let now = self.state.now();
        match self.tone {
            Tone::Serving => {
                self.tone = Tone::Polite;
                self.next = handle.draining_over();
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

    fn leave(&mut self, now: Duration) {
        self.tone = Tone::Leave;
        self.leave_began = now;
        self.next = self.state.site().handle.cutting();
        self.state.set_leaving();
    }

    fn cut(&self) {
        let requests = self.state.in_flight();
        let log = &self.state.site().cut_log;
        log.begin();
        if requests > 0 {
            log.connection(self.state, requests);
        }
        self.state.set_cut(Cut::Answers);
        self.streams.notify_waiters();
    }

    fn plan(&mut self, now: Duration) -> Plan {
        if self.tone == Tone::Cut {
            return self.plan_cut(now);
        }
        if self.tone < Tone::Leave && self.max_age.is_some_and(|at| self.due(at, now)) {
            self.leave(now);
        }
        if let Some(at) = self.turned_away {
            return self.plan_turned_away(at, now);
        }
        match (self.tone, self.protocol) {
            (Tone::Leave, _) => self.plan_leave(now),
            (_, Protocol::Http1) => self.plan_http1(now),
            (_, Protocol::Http2) => self.plan_http2(now),
        }
    }

    fn plan_http1(&mut self, now: Duration) -> Plan {
        let limits = self.state.site().limits;
        if self.state.is_idle()
            && let Some(began) = self.state.head_began()
        {
            if self.due(began + limits.header_read, now) {
                return self.timed_out("the head took too long");
            }
            return Plan::Wait;
        }
        self.plan_idle(now)
    }

    fn plan_http2(&mut self, now: Duration) -> Plan {
        let limits = self.state.site().limits;
        if !self.state.has_served() {
            // The preface is a head of a kind: what comes next has to be a request.
            if self.due(self.began + limits.header_read, now) {
                return self.timed_out("the first request took too long");
            }
            return Plan::Wait;
        }
        // Before the first answer a client would only come back, and not to another server.
        if self.tone == Tone::Polite
            && (!self.came_late || self.state.is_idle())
            && self.due(self.go_away, now)
        {
            return self.turn_away(now);
        }
        self.plan_idle(now)
    }

    fn plan_idle(&mut self, now: Duration) -> Plan {
        if let Some(idle) = self.state.site().limits.idle {
            let since = if self.state.is_idle() {
                self.state.idle_since().max(self.began)
            } else {
                now
            };
            if self.due(since + idle, now) {
                return self.turn_away(now);
            }
        }
        Plan::Wait
    }

    fn plan_leave(&mut self, now: Duration) -> Plan {
        let state = self.state;
        let served_http2 = self.protocol == Protocol::Http2 && state.has_served();
        if !state.is_idle() || served_http2 {
            return self.turn_away(now);
        }
        // hyper drops an idle connection at once, and with it what is on the way.
        let patience = match state.head_began() {
            Some(began) if self.protocol == Protocol::Http1 => {
                began.max(self.leave_began) + state.site().limits.header_read.min(TO_LEAVE)
            }
            _ => state.last_read().max(self.leave_began) + SILENCE,
        };
        if self.due(patience, now) {
            return self.turn_away(now);
        }
        Plan::Wait
    }

    /// A client that lives acknowledges a GOAWAY's ping; whoever does not would hold the stop to its end.
    fn plan_turned_away(&mut self, at: Duration, now: Duration) -> Plan {
        let silent = self.state.last_read() <= at && self.state.is_idle();
        if self.protocol == Protocol::Http2 && silent && self.due(at + TO_LEAVE, now) {
            return Plan::Do(Order::Abandon("the client does not answer to GOAWAY"));
        }
        Plan::Wait
    }

    fn plan_cut(&mut self, now: Duration) -> Plan {
        if self.state.cut() < Cut::Bodies {
            if !self.due(self.cut_began + TO_FLUSH, now) {
                return Plan::Wait;
            }
            self.state
                .site()
                .handle
                .count_cut_requests(self.state.in_flight() as u64);
            self.state.set_cut(Cut::Bodies);
            self.streams.notify_waiters();
            return Plan::Do(Order::Look);
        }
        if self.due(self.cut_began + TO_FLUSH + TO_END_STREAMS, now) {
            return Plan::Do(Order::Abandon("it is cut"));
        }
        Plan::Wait
    }

    fn turn_away(&mut self, now: Duration) -> Plan {
        self.turned_away = Some(now);
        self.state.set_leaving();
        self.state.set_told();
        Plan::Do(Order::Leave)
    }

    fn timed_out(&self, why: &'static str) -> Plan {
        self.state.close_reason(CloseReason::Error);
        Plan::Do(Order::Abandon(why))
    }

    /// Tells whether a moment has come; if not, the timer is to wake for it.
    fn due(&mut self, at: Duration, now: Duration) -> bool {
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
        }
    }
}
