//! Ends one call at its deadline.

use std::{fmt, pin::Pin, task::Context};

use campanile_core::{
    Deadline,
    exchange::{Interrupt, Observer},
    grpc,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use tokio::time::{Sleep, sleep_until};

use super::DeadlineExceeded;

/// Ends one call at its deadline. See the [module docs](super).
// Boxed, since few calls have a deadline and the others should not move a timer.
pub struct PropagateObserver(Box<State>);

struct State {
    /// `None` once the deadline no longer ends the call.
    timer: Option<Pin<Box<Sleep>>>,
    deadline: Deadline,
    is_grpc: bool,
}

impl PropagateObserver {
    pub(super) fn new(deadline: Deadline, is_grpc: bool) -> Self {
        Self(Box::new(State {
            timer: Some(Box::pin(sleep_until(deadline.instant().into()))),
            deadline,
            is_grpc,
        }))
    }
}

impl Observer for PropagateObserver {
    const INTERRUPTS: bool = true;
    const INTERRUPTS_BODIES: bool = true;

    fn on_response<B: Body>(&mut self, response: &mut Response<B>) {
        if !self.0.is_grpc || !grpc::is_grpc(response.headers()) {
            self.0.timer = None;
        }
    }

    #[inline]
    fn interrupt_body(&mut self, cx: &mut Context<'_>) -> Option<HeaderMap> {
        let passed = self.0.timer.as_mut()?.as_mut().poll(cx).is_ready();
        passed.then(grpc::deadline_trailers)
    }

    fn interrupt(&mut self, cause: Interrupt<'_, '_>) -> Option<Response<()>> {
        let passed = match cause {
            Interrupt::Pending(cx) => self
                .0
                .timer
                .as_mut()
                .is_some_and(|timer| timer.as_mut().poll(cx).is_ready()),
            // A transport with the same deadline may end the call a moment before the timer.
            Interrupt::Failed => self.0.deadline.is_passed(),
            _ => false,
        };
        passed.then(|| deadline_exceeded(self.0.is_grpc))
    }
}

/// Makes the response to a call whose deadline has passed.
#[cold]
pub(super) fn deadline_exceeded(is_grpc: bool) -> Response<()> {
    let mut response = Response::new(());
    response.extensions_mut().insert(DeadlineExceeded);
    if is_grpc {
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        fields.extend(grpc::deadline_trailers());
    } else {
        *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    }
    response
}

impl fmt::Debug for PropagateObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PropagateObserver")
            .field("deadline", &self.0.deadline)
            .finish_non_exhaustive()
    }
}
