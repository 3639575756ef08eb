//! The errors that end a connection: whose fault they are, and how they are counted and logged.

use std::error::Error;

use campanile_listen::CloseReason;

use super::state::{ConnectionState, ShutdownStage};
use crate::log::{chain, limited};
use crate::rejection::RejectReason;

/// Counts and logs the error of hyper that ended a connection.
#[cold]
pub(super) fn on_error(state: &ConnectionState, error: &hyper::Error) {
    if let Some(reason) = reject_reason(error) {
        // hyper has sent an error response or a GOAWAY, and reads no further.
        state.set_lingers(true);
        refuse_connection(state, reason, Some(error));
    } else if !error.is_user() {
        if is_http2(error) {
            state.set_close_reason(CloseReason::Error);
        }
        tracing::debug!(peer = %state.peer(), error = %chain(error), "connection failed");
    } else if state.has_read_ended() || state.stage() >= ShutdownStage::Rejecting {
        // The handler passes on that its request body ended early, or its response was cut.
        tracing::debug!(peer = %state.peer(), error = %chain(error), "connection ended with its request");
    } else {
        limited!(warn, "connection ended by an error of the service", peer = %state.peer(), error = %chain(error),);
    }
}

/// Counts and logs a connection that ends because no request could be read from it.
#[cold]
pub(super) fn refuse_connection(state: &ConnectionState, reason: RejectReason, error: Option<&hyper::Error>) {
    state.set_close_reason(CloseReason::Error);
    refuse(state, reason, error);
}

/// Counts and logs a connection that gives way to a waiting client.
#[cold]
pub(super) fn give_way(state: &ConnectionState) {
    let context = state.context();
    state.eviction.accept();
    state.set_close_reason(CloseReason::Cut);
    context.metrics.count_evicted_connection();
    limited!(
        warn,
        "connection limit reached; closing the longest silent connection",
        listener = context.label.as_str(),
        peer = %state.peer(),
        age_seconds = state.activity.age().as_secs_f64(),
    );
}

/// Counts and logs a request whose body stopped arriving.
#[cold]
pub(super) fn time_out_upload(state: &ConnectionState) {
    let context = state.context();
    state.upload.set_timed_out();
    state.set_close_reason(CloseReason::Error);
    context.metrics.count_body_read_timeout();
    limited!(
        info,
        "request body timed out",
        listener = context.label.as_str(),
        peer = %state.peer(),
    );
}

/// Counts and logs a refused request.
#[cold]
pub(crate) fn refuse(state: &ConnectionState, reason: RejectReason, error: Option<&hyper::Error>) {
    let context = state.context();
    context.metrics.count_rejected_request(reason.as_str());
    let error = error.map(|error| chain(error));
    limited!(
        info,
        "request refused",
        listener = context.label.as_str(),
        peer = %state.peer(),
        reason = reason.as_str(),
        error = error.as_ref().map(tracing::field::display),
    );
}

fn reject_reason(error: &hyper::Error) -> Option<RejectReason> {
    if error.is_parse_too_large() {
        // hyper distinguishes them by the text only.
        return Some(match error.to_string().contains("URI") {
            true => RejectReason::UriTooLong,
            false => RejectReason::HeadersTooLarge,
        });
    }
    if error.is_parse_version_h2() {
        return Some(RejectReason::ProtocolError);
    }
    if error.is_parse() {
        return Some(RejectReason::BadRequest);
    }
    let h2 = error.source()?.downcast_ref::<h2::Error>()?;
    h2.is_library().then_some(RejectReason::ProtocolError)
}

/// Returns whether HTTP/2 failed: a protocol error, or a ping without a response.
fn is_http2(error: &hyper::Error) -> bool {
    error.to_string() == "http2 error"
}
