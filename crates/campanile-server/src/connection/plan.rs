//! What a watch wants of its connection now, and when it has to look again.

use std::time::Duration;

use campanile_listen::CloseReason;

use super::sniff::Protocol;
use super::state::Cut;
use super::watch::{Order, Tone, Watch};
use crate::limits::{SILENCE, TO_END_STREAMS, TO_FLUSH, TO_LEAVE};

/// What comes of a look.
pub(super) enum Plan {
    Do(Order),
    /// Nothing, until the connection is polled again or one of the moments has come that were asked for.
    Wait,
}

impl Watch<'_> {
    pub(super) fn plan(&mut self, now: Duration) -> Plan {
        if self.tone == Tone::Cut {
            return self.plan_cut(now);
        }
        // Then `next` waits for the cut, and is polled with the next poll: at the latest when the silence is over.
        if self.tone < Tone::Leave && self.max_age.is_some_and(|at| self.due(at, now)) {
            self.leave(now);
        }
        // Whoever takes nothing of an answer would hold it, and its descriptor, for ever.
        if let (Some(since), Some(idle)) =
            (self.state.activity.blocked_since(), self.state.site().limits.idle)
            && self.due(since + idle, now)
        {
            return self.timed_out("the client does not read");
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
        if self.state.activity.is_idle()
            && let Some(began) = self.state.activity.head_began()
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
        if !self.state.activity.has_served() {
            // The preface is a head of a kind: what comes next has to be a request.
            if self.due(self.began + limits.header_read, now) {
                return self.timed_out("the first request took too long");
            }
            return Plan::Wait;
        }
        if self.tone == Tone::Polite && self.due(self.go_away, now) {
            return self.plan_go_away(self.go_away, now);
        }
        self.plan_idle(now)
    }

    fn plan_idle(&mut self, now: Duration) -> Plan {
        if let Some(idle) = self.state.site().limits.idle {
            let since = if self.state.activity.is_idle() {
                self.state.activity.idle_since().max(self.began)
            } else {
                now
            };
            if self.due(since + idle, now) {
                self.leave(now);
                return self.plan_leave(now);
            }
        }
        Plan::Wait
    }

    fn plan_leave(&mut self, now: Duration) -> Plan {
        let state = self.state;
        if self.protocol == Protocol::Http2 && state.activity.has_served() {
            return self.plan_go_away(self.leave_began, now);
        }
        if !state.activity.is_idle() {
            return self.turn_away(now);
        }
        if let (Protocol::Http1, Some(began)) = (self.protocol, state.activity.head_began()) {
            // hyper would wait for the rest of the head, for ever.
            let patience = began.max(self.leave_began) + state.site().limits.header_read.min(TO_LEAVE);
            if self.due(patience, now) {
                return self.timed_out("the head took too long");
            }
            return Plan::Wait;
        }
        // hyper drops an idle connection at once, and with it what is on the way.
        if !self.due(state.activity.last_read().max(self.leave_began) + SILENCE, now) {
            return Plan::Wait;
        }
        // MethodClass to look and polled since, but not read: hyper has something to write, and minds an orderly end.
        if state.take_probed() || state.is_to_probe() {
            return self.turn_away(now);
        }
        // The last request's body was read to its end, or hyper would have ended by itself.
        state.set_lingers(false);
        // On a busy machine the silence can be over before the runtime has heard of what came in it.
        state.probe();
        Plan::Do(Order::Look)
    }

    /// Tells an HTTP/2 client that was answered before, since `due`: while it waits for an answer, or has been silent.
    ///
    /// Never right behind an answer. A client may be about to send its next request then; the `h2` crate's sends what it has
    /// taken from its user behind its acknowledgement, where it is above the last id.
    fn plan_go_away(&mut self, due: Duration, now: Duration) -> Plan {
        let silent_since = self.state.activity.idle_since().max(due);
        if !self.state.activity.is_idle() || self.due(silent_since + SILENCE, now) {
            return self.turn_away(now);
        }
        Plan::Wait
    }

    /// A client that lives acknowledges a GOAWAY's ping; whoever does not would hold the stop to its end.
    fn plan_turned_away(&mut self, at: Duration, now: Duration) -> Plan {
        let silent = self.state.activity.last_read() <= at && self.state.activity.is_idle();
        // A GOAWAY stands behind the answers that are still to be written.
        let since = at.max(self.state.activity.idle_since());
        if self.protocol == Protocol::Http2 && silent && self.due(since + TO_LEAVE, now) {
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
                .count_cut_requests(self.state.activity.unanswered() as u64);
            self.state.set_cut(Cut::Bodies);
            self.wake_streams();
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
}
