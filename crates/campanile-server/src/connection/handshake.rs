//! The TLS handshake and the detection of the protocol, before HTTP.
//!
//! Both run in the connection's task, so that they do not delay the accept loop, and both end when the connection is
//! closing and silent. hyper's own detection has no time limit, and a graceful shutdown drops the connection.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

#[cfg(feature = "tls")]
use campanile_listen::CloseReason;
use campanile_listen::{AcceptedStream, CountedIo};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, sleep_until};

use super::failure::{give_way, refuse_connection};
use super::grace::after_deadline;
use super::io::{ConnectionIo, TransportStream};
use super::sniff::{Protocol, Sniffed, sniff};
use super::state::{ConnectionState, ShutdownStage};
use crate::rejection::RejectReason;
use crate::timeouts::{CLOSING_GRACE, CLOSING_SILENCE};

/// Returns the stream below HTTP, and the protocol if the handshake has negotiated one.
#[cfg(not(feature = "tls"))]
#[allow(clippy::unused_async, reason = "async with the feature `tls`")]
pub(super) async fn secure(
    io: CountedIo<AcceptedStream>,
    _: &ConnectionState,
) -> Option<(TransportStream, Option<Protocol>)> {
    Some((io, None))
}

/// Returns the stream below HTTP, and the protocol if the handshake has negotiated one.
#[cfg(feature = "tls")]
pub(super) async fn secure(
    io: CountedIo<AcceptedStream>,
    state: &ConnectionState,
) -> Option<(TransportStream, Option<Protocol>)> {
    let context = state.context();
    let Some(tls) = &context.tls else {
        return Some((TransportStream::Left(io), None));
    };
    let closing = async {
        context.handle.drain_elapsed().await;
        sleep(CLOSING_GRACE).await;
    };
    let mut closing = pin!(closing);
    let timeout = context.timeouts.handshake;
    // Before the first byte the connection may give way to a waiting client.
    loop {
        tokio::select! {
            _ = io.get_ref().readable() => break,
            () = sleep(timeout) => {
                context.metrics.count_tls_handshake_error("timeout");
                state.set_close_reason(CloseReason::Error);
                return None;
            }
            () = eviction_requested(state) => {
                if !io.get_ref().has_unread() {
                    give_way(state);
                    return None;
                }
                state.eviction.refuse();
            }
            () = &mut closing => {
                state.set_close_reason(CloseReason::Drained);
                return None;
            }
            () = context.handle.cutting() => {
                state.set_close_reason(CloseReason::Cut);
                return None;
            }
        }
    }
    let timeout = timeout.saturating_sub(state.activity.age());
    tokio::select! {
        accepted = tls.accept(io, &context.metrics, timeout) => match accepted {
            Some((stream, protocol)) => return Some((TransportStream::Right(Box::new(stream)), protocol)),
            None => state.set_close_reason(CloseReason::Error),
        },
        () = &mut closing => state.set_close_reason(CloseReason::Drained),
        () = context.handle.cutting() => state.set_close_reason(CloseReason::Cut),
    }
    None
}

/// Identifies the protocol, within the sniff timeout.
pub(super) async fn identify_protocol(io: &mut ConnectionIo, state: &ConnectionState) -> Option<Protocol> {
    let context = state.context();
    let deadline = Instant::now() + context.timeouts.sniff;
    let mut timeout = pin!(sleep_until(deadline));
    let mut has_looked = false;
    let mut cutting = context.handle.cutting();
    let mut sniffed = Sniffed::default();
    let protocol = loop {
        // Bytes first: on a busy machine a timeout can elapse before the runtime has seen bytes that arrived in time.
        tokio::select! {
            biased;
            protocol = sniff(io, &mut sniffed) => break protocol,
            () = &mut cutting => {
                state.set_stage(ShutdownStage::Aborting);
                return None;
            }
            // Counted as drained: no request could announce the close, but the drain is what closes it.
            () = closing_silence(state) => state.set_close_announced(),
            () = eviction_requested(state) => {}
            () = &mut timeout => {
                if !has_looked {
                    has_looked = true;
                    timeout.set(sleep(after_deadline(deadline.elapsed())));
                    continue;
                }
            }
        }
        let is_eviction = state.eviction.is_requested();
        if is_eviction && io.has_unread() {
            state.eviction.refuse();
            continue;
        }
        if !io.has_unread() {
            if is_eviction {
                give_way(state);
            }
            tracing::debug!(peer = %state.peer(), "connection closed without a request");
            return None;
        }
        timeout.set(sleep(CLOSING_SILENCE));
    };
    // IO errors are counted by the IO itself.
    let protocol = protocol.ok().flatten()?;
    if sniffed.is_tls() {
        refuse_tls(io, state).await;
        return None;
    }
    io.put_back(sniffed);
    Some(protocol)
}

/// Waits until the connection is requested to give way, which wakes its task.
fn eviction_requested(state: &ConnectionState) -> impl Future<Output = ()> {
    poll_fn(|_| match state.eviction.is_requested() {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
}

/// Responds to a TLS client hello in plain HTTP, which TLS clients report as a wrong version number.
#[cold]
async fn refuse_tls(io: &mut ConnectionIo, state: &ConnectionState) {
    refuse_connection(state, RejectReason::TlsOnPlainPort, None);
    state.set_lingers(true);
    let response = RejectReason::TlsOnPlainPort.http1_response(&state.context().limits);
    // An error is counted by the IO itself. The response fits into an empty socket buffer.
    let _ = io.write_all(&response).await;
}

/// Waits until a closing connection has been silent for long enough. A new one has more time for its first byte than an
/// idle one for its next request, which may never come.
async fn closing_silence(state: &ConnectionState) {
    state.context().handle.drain_elapsed().await;
    let mut last_received = None;
    while last_received != Some(state.activity.last_received()) {
        last_received = Some(state.activity.last_received());
        sleep(CLOSING_SILENCE.max(CLOSING_GRACE.saturating_sub(state.activity.age()))).await;
    }
}
