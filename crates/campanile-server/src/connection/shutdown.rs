//! Decides when a connection closes, and how.
//!
//! It is polled with every poll of the connection. While nothing changes, that costs a few loads and a waker comparison.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use campanile_lifecycle::PhaseReached;
use campanile_listen::CloseReason;
use tokio::sync::Notify;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep};

use super::failure::{give_way, time_out_upload};
use super::grace::after_deadline;
use super::sniff::Protocol;
use super::stall_sweep::SWEEPS;
use super::state::{ConnectionState, ShutdownStage};
use crate::timeouts::{ABORT_FLUSH, ABORT_STREAMS, CLOSING_GRACE, CLOSING_SILENCE, FROZEN, STALLED_GRACE};

/// What the connection's task has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Shut HTTP down gracefully: finish requests in flight, accept no others.
    ShutDown,
    /// Poll HTTP again, to probe the IO or to end bodies.
    PollHttp,
    /// Drop the connection, for this reason.
    Drop(&'static str),
}

/// The decisions about closing one connection, and the timer for the next of them.
///
/// Times are those of the connection's [`Activity`](super::activity::Activity) clock.
pub(super) struct ConnectionShutdown<'a> {
    state: &'a ConnectionState,
    protocol: Protocol,
    /// Wakes the tasks of HTTP/2 streams, which react to the stage and to sweeps.
    streams: Option<&'a Notify>,
    /// Completes when the stage has to advance.
    next_stage: PhaseReached,
    timer: Pin<Box<Sleep>>,
    /// The deadline that the timer is set to.
    timer_at: Option<Duration>,
    /// The waker that was last registered with the timer since it was set.
    timer_waker: Option<Waker>,
    /// The earliest deadline that the current decision waits for.
    wake_at: Option<Duration>,
    http_began: Duration,
    max_age: Option<Duration>,
    goaway_at: Duration,
    closing_since: Duration,
    aborting_since: Duration,
    /// Since when complete responses are on their way to the socket.
    delivering_since: Option<Duration>,
    /// When HTTP was shut down gracefully.
    shut_down_at: Option<Duration>,
    /// Whether the kernel was probed for bytes since the connection was requested to give way.
    eviction_probed: bool,
    /// Whether the timer is set for the request body that is incomplete.
    watches_upload: bool,
    /// Whether the kernel was probed for bytes of the request body.
    upload_probed: bool,
    /// When the request body was last not expected: its handler did not read it.
    upload_expected_since: Duration,
    /// When the request body timed out.
    upload_timed_out_at: Option<Duration>,
    /// The deadline that has passed last, and how long to go on after it.
    last_look: Option<(Duration, Duration)>,
    /// The next sweep over the HTTP/2 streams.
    sweep_at: Option<Duration>,
}

impl<'a> ConnectionShutdown<'a> {
    pub(super) fn new(state: &'a ConnectionState, protocol: Protocol, streams: Option<&'a Notify>) -> Self {
        let context = state.context();
        // Connections that were opened together must not close together.
        let jitter = |age: Duration| age.mul_f64(0.9 + 0.2 * fastrand::f64());
        Self {
            state,
            protocol,
            streams,
            next_stage: context.handle.draining(),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            timer_at: None,
            timer_waker: None,
            wake_at: None,
            http_began: state.activity.age(),
            max_age: context.timeouts.max_age.map(jitter),
            goaway_at: Duration::ZERO,
            closing_since: Duration::ZERO,
            aborting_since: Duration::ZERO,
            delivering_since: None,
            shut_down_at: None,
            eviction_probed: false,
            watches_upload: false,
            upload_probed: false,
            upload_expected_since: Duration::ZERO,
            upload_timed_out_at: None,
            last_look: None,
            sweep_at: None,
        }
    }

    /// Polls for an action. Call it after polling HTTP.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Action> {
        while self.state.stage() < ShutdownStage::Rejecting
            && Pin::new(&mut self.next_stage).poll(cx).is_ready()
        {
            if self.advance() == ShutdownStage::Rejecting {
                return Poll::Ready(Action::ShutDown);
            }
        }
        if self.state.eviction.is_requested()
            && let Poll::Ready(action) = self.decide_eviction()
        {
            return Poll::Ready(action);
        }
        let mut must_decide = self.timer_at.is_none()
            || self.state.stage() > ShutdownStage::Serving
            || self.state.activity.head_began().is_some()
            || self.must_begin_sweeps();
        if self.state.upload.is_incomplete() != self.watches_upload {
            self.watches_upload = !self.watches_upload;
            must_decide = true;
        }
        loop {
            if must_decide {
                let now = self.state.activity.age();
                self.wake_at = None;
                if let Poll::Ready(action) = self.decide(now) {
                    return Poll::Ready(action);
                }
                self.set_timer(now);
            }
            if self.timer_at.is_none() {
                return Poll::Pending;
            }
            if self.timer_wakes(cx) && !self.timer.is_elapsed() {
                return Poll::Pending;
            }
            // A timer without budget would not register the waker, after a poll that has read or written much.
            ready!(Pin::new(&mut unconstrained(self.timer.as_mut())).poll(cx));
            self.timer_at = None;
            must_decide = true;
        }
    }

    /// Advances to the next stage, following the lifecycle.
    fn advance(&mut self) -> ShutdownStage {
        let context = self.state.context();
        let now = self.state.activity.age();
        match self.state.stage() {
            ShutdownStage::Serving => {
                self.next_stage = context.handle.drain_elapsed();
                self.goaway_at = now + context.random_drain_delay();
                self.state.set_stage(ShutdownStage::Draining);
            }
            ShutdownStage::Draining => self.begin_closing(now),
            ShutdownStage::Closing | ShutdownStage::Rejecting | ShutdownStage::Aborting => {
                self.begin_rejecting(now);
            }
        }
        self.state.stage()
    }

    fn begin_closing(&mut self, now: Duration) {
        self.closing_since = now;
        self.next_stage = self.state.context().handle.cutting();
        self.state.set_stage(ShutdownStage::Closing);
    }

    fn begin_rejecting(&mut self, now: Duration) {
        self.aborting_since = now;
        let log = &self.state.context().abort_log;
        let requests = self.state.activity.unfinished_requests();
        log.log_requests();
        if requests > 0 {
            log.log_connection(self.state, requests);
        }
        self.state.set_stage(ShutdownStage::Rejecting);
        self.wake_streams();
    }

    /// Gives way to a waiting client, if the connection is idle and no bytes wait in the kernel.
    #[cold]
    fn decide_eviction(&mut self) -> Poll<Action> {
        let state = self.state;
        let may_give_way = state.activity.is_idle()
            && !state.is_upgraded()
            && self.shut_down_at.is_none()
            && state.stage() < ShutdownStage::Closing;
        if may_give_way && !std::mem::replace(&mut self.eviction_probed, true) {
            state.request_probe();
            return Poll::Ready(Action::PollHttp);
        }
        self.eviction_probed = false;
        if state.take_probed_silent() && may_give_way {
            give_way(state);
            return Poll::Ready(Action::Drop("closed to make room"));
        }
        state.eviction.refuse();
        Poll::Pending
    }

    fn decide(&mut self, now: Duration) -> Poll<Action> {
        let timeouts = self.state.context().timeouts;
        if self.state.stage() >= ShutdownStage::Rejecting {
            return self.decide_aborting(now);
        }
        self.sweep_streams(now);
        if self.state.stage() < ShutdownStage::Closing && self.state.sweep.has_dead_streams() {
            self.begin_closing(now);
        }
        if self.state.stage() < ShutdownStage::Closing
            && let Some(max_age) = self.max_age
        {
            if now >= max_age {
                // `next_stage` now waits for the cut and is polled with the next poll, at the latest after the silence.
                self.begin_closing(now);
            } else {
                self.wake_by(max_age);
            }
        }
        // A client that does not read its response would keep the connection, and its descriptor, open indefinitely.
        if let (Some(since), Some(idle)) = (self.state.activity.write_blocked_since(), timeouts.idle)
            && self.has_passed(since + idle, now)
        {
            self.state
                .count_stalled(self.state.activity.unfinished_requests());
            return self.time_out("client does not read the response");
        }
        if self.state.upload.is_incomplete()
            && let Some(limit) = timeouts.body_read
            && let Poll::Ready(action) = self.decide_upload(limit, now)
        {
            return Poll::Ready(action);
        }
        if let Some(at) = self.shut_down_at {
            return self.decide_shut_down(at, now);
        }
        match (self.state.stage(), self.protocol) {
            (ShutdownStage::Closing, _) => self.decide_closing(now),
            (_, Protocol::Http1) => self.decide_http1(now),
            (_, Protocol::Http2) => self.decide_http2(now),
        }
    }

    /// Times a request body out whose client is silent: the handler reads it, and no bytes wait in the kernel.
    fn decide_upload(&mut self, limit: Duration, now: Duration) -> Poll<Action> {
        let state = self.state;
        if let Some(at) = self.upload_timed_out_at {
            // The response head was sent before, or the client does not read it.
            if now < at + CLOSING_GRACE {
                return self.wait_until(at + CLOSING_GRACE);
            }
            return Poll::Ready(Action::Drop("request body timed out"));
        }
        let deadline = state.activity.last_received().max(self.upload_expected_since) + limit;
        if now < deadline {
            self.upload_probed = false;
            return self.wait_until(deadline);
        }
        if !std::mem::replace(&mut self.upload_probed, true) {
            state.request_probe();
            // The timer has to be set again after the probe.
            self.watches_upload = false;
            return Poll::Ready(Action::PollHttp);
        }
        self.upload_probed = false;
        if state.take_probed_silent() {
            time_out_upload(state);
            self.upload_timed_out_at = Some(now);
            self.watches_upload = false;
            return Poll::Ready(Action::PollHttp);
        }
        // hyper did not read, since the handler does not.
        self.upload_expected_since = now;
        self.wait_until(now + limit)
    }

    fn decide_http1(&mut self, now: Duration) -> Poll<Action> {
        if self.state.activity.is_idle()
            && let Some(began) = self.state.activity.head_began()
        {
            let deadline = began + self.state.context().timeouts.header_read;
            if !self.has_passed(deadline, now) {
                return Poll::Pending;
            }
            return self.time_out("request head timed out");
        }
        self.decide_idle(now)
    }

    fn decide_http2(&mut self, now: Duration) -> Poll<Action> {
        if !self.state.activity.has_served() {
            let deadline = self.http_began + self.state.context().timeouts.header_read;
            if !self.has_passed(deadline, now) {
                return Poll::Pending;
            }
            return self.time_out("first request timed out");
        }
        if self.state.stage() == ShutdownStage::Draining {
            if now >= self.goaway_at {
                return self.decide_goaway(self.goaway_at, now);
            }
            self.wake_by(self.goaway_at);
        }
        self.decide_idle(now)
    }

    fn decide_idle(&mut self, now: Duration) -> Poll<Action> {
        let Some(idle) = self.state.context().timeouts.idle else {
            return Poll::Pending;
        };
        let since = if self.state.activity.is_idle() {
            self.state.activity.idle_since().max(self.http_began)
        } else {
            now
        };
        if now < since + idle {
            return self.wait_until(since + idle);
        }
        self.begin_closing(now);
        self.decide_closing(now)
    }

    fn decide_closing(&mut self, now: Duration) -> Poll<Action> {
        let state = self.state;
        if self.protocol == Protocol::Http2 && state.activity.has_served() {
            return self.decide_goaway(self.closing_since, now);
        }
        if !state.activity.is_idle() {
            return self.shut_down(now);
        }
        if let (Protocol::Http1, Some(began)) = (self.protocol, state.activity.head_began()) {
            // After a graceful shutdown, hyper would wait for the rest of the head indefinitely.
            let grace = state.context().timeouts.header_read.min(CLOSING_GRACE);
            let deadline = began.max(self.closing_since) + grace;
            if !self.has_passed(deadline, now) {
                return Poll::Pending;
            }
            return self.time_out("request head timed out");
        }
        // At a graceful shutdown, hyper drops an idle connection at once, and with it a request on its way.
        let mut deadline = state.activity.last_received().max(self.closing_since) + CLOSING_SILENCE;
        if self.protocol == Protocol::Http2 {
            // Frames that are no request.
            let longest = self.closing_since + STALLED_GRACE;
            if now >= longest {
                return self.shut_down(now);
            }
            deadline = deadline.min(longest);
        }
        if now < deadline {
            return self.wait_until(deadline);
        }
        // A probe that is still requested means that hyper was polled but did not read: it has bytes to write first.
        if state.take_probed_silent() || state.is_probe_requested() {
            return self.shut_down(now);
        }
        // Nothing is unread: if the last request body were, hyper would have closed the connection.
        state.set_lingers(false);
        // On a busy machine, the silence can be over before the runtime has seen bytes that arrived during it.
        state.request_probe();
        Poll::Ready(Action::PollHttp)
    }

    /// Sends a GOAWAY that is due since `due`: while a response is not complete, or after a silence.
    ///
    /// Never right after a response, when the client may be about to send its next request: the `h2` crate's client sends
    /// it behind its acknowledgement of the GOAWAY, with a stream id above the last that is accepted.
    fn decide_goaway(&mut self, due: Duration, now: Duration) -> Poll<Action> {
        let activity = &self.state.activity;
        if activity.is_responding() {
            return self.shut_down(now);
        }
        let silent_since = if activity.is_idle() {
            self.delivering_since = None;
            activity.idle_since()
        } else {
            // Not longer: the client may take nothing of a response.
            *self.delivering_since.get_or_insert(now)
        };
        let deadline = silent_since.max(due) + CLOSING_SILENCE;
        if now < deadline {
            return self.wait_until(deadline);
        }
        self.shut_down(now)
    }

    /// Drops an HTTP/2 client that does not acknowledge the GOAWAY's ping, or whose only streams have stalled: either would
    /// keep the connection open until the stop timeout, whatever frames it sends.
    fn decide_shut_down(&mut self, at: Duration, now: Duration) -> Poll<Action> {
        let activity = &self.state.activity;
        if self.protocol != Protocol::Http2 || !activity.is_idle() {
            return Poll::Pending;
        }
        // The GOAWAY is written behind pending responses.
        let idle_since = at.max(activity.idle_since());
        let grace = if activity.has_served() && activity.last_received() > at {
            STALLED_GRACE
        } else {
            CLOSING_GRACE
        };
        if !self.has_passed(idle_since + grace, now) {
            return Poll::Pending;
        }
        Poll::Ready(Action::Drop("client does not end the connection after GOAWAY"))
    }

    /// Returns how long a client may take nothing of a response; `None` without a limit.
    fn stall_limit(&self) -> Option<Duration> {
        let idle = self.state.context().timeouts.idle;
        if self.shut_down_at.is_some() && self.state.context().handle.is_draining() {
            return Some(idle.map_or(STALLED_GRACE, |idle| idle.min(STALLED_GRACE)));
        }
        idle
    }

    /// Returns whether the first sweep has to be planned.
    #[inline]
    fn must_begin_sweeps(&self) -> bool {
        self.sweep_at.is_none()
            && self.streams.is_some()
            && self.state.activity.has_streams()
            && self.state.context().timeouts.idle.is_some()
    }

    /// Begins a sweep over the HTTP/2 streams if it is due, and plans the next while there are streams.
    fn sweep_streams(&mut self, now: Duration) {
        if self.streams.is_none() {
            return;
        }
        let Some(limit) = self.stall_limit() else { return };
        let activity = &self.state.activity;
        let next = now + limit / SWEEPS;
        let planned = match self.sweep_at {
            Some(at) if now >= at => {
                // While the socket takes nothing, windows mean nothing; it has a time limit of its own.
                let was_frozen = now - at > FROZEN || activity.write_blocked_since().is_some();
                self.state.sweep.begin(now, limit, was_frozen);
                self.wake_streams();
                activity.has_streams().then_some(next)
            }
            Some(at) => Some(at.min(next)),
            None => activity.has_streams().then_some(next),
        };
        self.sweep_at = planned;
        if let Some(at) = planned {
            self.wake_by(at);
        }
    }

    /// Returns whether a deadline has passed, and the last look at the socket is over.
    fn has_passed(&mut self, deadline: Duration, now: Duration) -> bool {
        if now < deadline {
            self.wake_by(deadline);
            return false;
        }
        let until = match self.last_look {
            Some((passed, until)) if passed == deadline => until,
            _ => now + after_deadline(now - deadline),
        };
        self.last_look = Some((deadline, until));
        if now < until {
            self.wake_by(until);
        }
        now >= until
    }

    fn decide_aborting(&mut self, now: Duration) -> Poll<Action> {
        let flushed = self.aborting_since + ABORT_FLUSH;
        if self.state.stage() < ShutdownStage::Aborting {
            if now < flushed {
                return self.wait_until(flushed);
            }
            let requests = self.state.activity.unfinished_requests();
            self.state.context().handle.count_cut_requests(requests as u64);
            self.state.set_stage(ShutdownStage::Aborting);
            self.wake_streams();
            return Poll::Ready(Action::PollHttp);
        }
        if now < flushed + ABORT_STREAMS {
            return self.wait_until(flushed + ABORT_STREAMS);
        }
        Poll::Ready(Action::Drop("cut at the stop timeout"))
    }

    fn shut_down(&mut self, now: Duration) -> Poll<Action> {
        self.shut_down_at = Some(now);
        self.state.set_close_announced();
        Poll::Ready(Action::ShutDown)
    }

    fn time_out(&self, reason: &'static str) -> Poll<Action> {
        self.state.set_close_reason(CloseReason::Error);
        Poll::Ready(Action::Drop(reason))
    }

    fn wake_streams(&self) {
        if let Some(streams) = self.streams {
            streams.notify_waiters();
        }
    }

    /// Waits for a deadline, and any that `wake_by` was called with.
    fn wait_until(&mut self, deadline: Duration) -> Poll<Action> {
        self.wake_by(deadline);
        Poll::Pending
    }

    /// Has the timer set to `deadline` if that is the earliest of the current decision.
    fn wake_by(&mut self, deadline: Duration) {
        self.wake_at = Some(self.wake_at.map_or(deadline, |at| at.min(deadline)));
    }

    /// Sets the timer to the earliest deadline, unless it fires before that already.
    fn set_timer(&mut self, now: Duration) {
        if let Some(wake_at) = self.wake_at
            && self.timer_at.is_none_or(|timer_at| wake_at < timer_at)
        {
            self.timer.as_mut().reset(Instant::now() + (wake_at - now));
            self.timer_at = Some(wake_at);
            self.timer_waker = None;
        }
    }

    /// Returns whether the timer has this task's waker. Polling the timer each time would cost more than the rest of `poll`.
    fn timer_wakes(&mut self, cx: &Context<'_>) -> bool {
        let wakes = self
            .timer_waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if !wakes {
            self.timer_waker = Some(cx.waker().clone());
        }
        wakes
    }
}
