//! A call on its way to its end.

use std::fmt;

use campanile_core::{
    body::{BodyEnd, BodyTracker, EndReason, ExpectedLength, MethodClass, OnBodyEnd},
    clock::FastInstant,
    grpc::Code,
    headers::view_name,
    nesting::EnteredLayer,
};
use http::{Response, StatusCode};
use http_body::Body;

use super::{
    call::{Call, give_back},
    counted::Counted,
    rpc,
    view::ViewBlock,
};
use crate::{
    DeadlineExceeded,
    failure::{Failure, Type},
};

impl Call {
    /// Notes the head of the answer.
    #[inline]
    fn answered<B>(&mut self, response: &Response<B>) {
        self.leave_seat();
        self.seconds = self.started.seconds_until(FastInstant::now());
        let status = response.status();
        if (status == StatusCode::GATEWAY_TIMEOUT || self.is_rpc)
            && response.extensions().get::<DeadlineExceeded>().is_some()
        {
            self.note(Failure::DEADLINE);
            return;
        }
        self.status = status.as_u16();
        if status.is_server_error() {
            self.failure = Some(Failure::HTTP);
        }
        if self.asks_view
            && let Some(name) = view_name(response.headers())
        {
            self.view = Some(self.table.view(self.host, name, self.views as usize));
        }
        if self.is_rpc {
            self.code = Code::from_headers(response.headers());
        }
    }

    /// Notes an error in place of the head.
    #[cold]
    fn note(&mut self, failure: Failure) {
        self.failure = Some(failure);
        self.code = match failure {
            Failure::DEADLINE => Some(Code::DeadlineExceeded),
            Failure {
                kind: Type::Cancelled,
                ..
            } => Some(Code::Cancelled),
            _ => None,
        };
    }

    /// Notes an error of the answer's body. An answer that was an error already is none a second time.
    #[cold]
    pub(super) fn fail_in_body(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    #[inline]
    fn leave_seat(&mut self) {
        if let Some(seat) = self.seat.take() {
            seat.set_app();
        }
    }

    /// Counts the call: the only place that does.
    #[inline]
    fn end(&mut self) {
        let source = self.table.source;
        let view = self.view.unwrap_or(&self.host.unnamed);
        if self.counted == Counted::Usual {
            if let Some(active) = self.host.active(source) {
                active.decrement(1.0);
            }
            view.count(source);
        } else {
            let error = self.failure.map_or("", |failure| failure.kind.as_str());
            self.counted
                .end_apart(source, (self.host, view), (self.method, self.status, error));
        }
        if self.status != 0 {
            view.record(source, self.method, self.status, self.seconds);
        }
        if let Some(failure) = self.failure {
            view.fail(source, failure, self.status);
        }
        if self.is_rpc || self.rare.is_some() || view.folded {
            self.end_apart(view);
        }
    }

    #[cold]
    fn end_apart(&mut self, view: &ViewBlock) {
        let mut rare = self.rare.take();
        let mut folded = view.folded;
        if self.is_rpc {
            let unproven = rare.get_mut().and_then(|rare| rare.unproven.take());
            let limit = self.rpc_methods as usize;
            folded |= rpc::count(self.table, self.rpc, unproven.as_ref(), self.code, limit);
        }
        if folded {
            self.table.count_folded();
        }
        if let Some(line) = rare.get_mut().and_then(|rare| rare.line.take()) {
            line.write(self.host.name, view.view, self.status, self.failure, self.seconds);
        }
    }
}

/// Notes the head of the answer, and hands the call over to its body.
///
/// Whose code may panic, as the recorder's may: until then the call is where its end is sure.
#[inline(never)]
pub(super) fn head<B: Body>(
    place: &mut Option<Box<Call>>,
    response: &Response<B>,
) -> Option<BodyTracker<Ending>> {
    let call = place.as_mut()?;
    call.answered(response);
    let foreseen = ExpectedLength::of(response, MethodClass::by_number(call.method));
    place.take().map(|call| foreseen.tell(Ending(call)))
}

/// Ends a call that has an error in place of its head.
#[cold]
pub(super) fn fail(mut call: Box<Call>, failure: Failure) {
    call.leave_seat();
    call.seconds = call.started.seconds_until(FastInstant::now());
    call.note(failure);
    call.end();
    give_back(call);
}

/// The inner service is being called: there is no future yet that would end the call at a panic.
pub(super) struct Calling {
    call: Option<Box<Call>>,
    #[allow(dead_code, reason = "held to be dropped")]
    around: EnteredLayer,
}

impl Calling {
    /// Comes before the inner service is called.
    #[inline]
    pub(super) fn of(call: Box<Call>) -> Self {
        Self {
            around: call.enter(),
            call: Some(call),
        }
    }

    /// Comes after it.
    #[inline]
    pub(super) fn returned(mut self) -> Option<Box<Call>> {
        self.call.take()
    }
}

impl Drop for Calling {
    #[inline]
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            fail(call, Failure::CANCELLED);
        }
    }
}

/// A call whose answer has its head: ended by the answer's body.
pub(super) struct Ending(pub(super) Box<Call>);

impl OnBodyEnd for Ending {
    #[inline]
    fn on_body_end(self, end: BodyEnd<'_>) {
        let mut call = self.0;
        if call.is_rpc && call.code.is_none() {
            call.code = match end.how {
                EndReason::Dropped => Some(Code::Cancelled),
                _ => end.trailers.and_then(Code::from_headers),
            };
        }
        call.end();
        give_back(call);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("host", &self.host.name)
            .finish_non_exhaustive()
    }
}
