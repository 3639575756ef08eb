//! What comes before HTTP: the TLS handshake, and the bytes that tell the protocol.
//!
//! Both happen in the connection's task, so that nobody holds up the accepting, and both end when the connection is
//! to leave and keeps silent: here hyper has no time limits, and asked to shut down it would drop what is on its way.

use std::pin::pin;

#[cfg(feature = "tls")]
use campanile_listen::CloseReason;
use campanile_listen::{CountedIo, Socket};
use tokio::time::sleep;

use super::io::{ServedIo, Stream};
use super::sniff::{Protocol, Sniffed, sniff};
use super::state::{Cut, State};
use crate::limits::{SILENCE, TO_LEAVE};

/// Makes the stream that HTTP is spoken on; tells the protocol if that was agreed.
#[cfg(not(feature = "tls"))]
#[allow(clippy::unused_async, reason = "with TLS it waits")]
pub(super) async fn secure(io: CountedIo<Socket>, _: &State) -> Option<(Stream, Option<Protocol>)> {
    Some((Stream::Plain(io), None))
}

/// Makes the stream that HTTP is spoken on; tells the protocol if that was agreed.
#[cfg(feature = "tls")]
pub(super) async fn secure(io: CountedIo<Socket>, state: &State) -> Option<(Stream, Option<Protocol>)> {
    let site = state.site();
    let Some(tls) = &site.tls else {
        return Some((Stream::Plain(io), None));
    };
    let left = async {
        site.handle.drain_elapsed().await;
        sleep(TO_LEAVE).await;
    };
    tokio::select! {
        accepted = tls.accept(io, &site.label, site.limits.handshake) => match accepted {
            Some((stream, agreed)) => return Some((Stream::Tls(Box::new(stream)), agreed)),
            None => state.close_reason(CloseReason::Error),
        },
        () = left => state.close_reason(CloseReason::Drained),
        () = site.handle.cutting() => state.close_reason(CloseReason::Cut),
    }
    None
}

/// Finds out what is spoken, within the time for it.
pub(super) async fn tell_protocol(io: &mut ServedIo, state: &State) -> Option<Protocol> {
    let site = state.site();
    let mut late = pin!(sleep(site.limits.sniff));
    let mut cutting = site.handle.cutting();
    let mut sniffed = Sniffed::default();
    let told = loop {
        // First the bytes: on a busy machine a time can be over before the runtime has heard of what came in it.
        tokio::select! {
            biased;
            told = sniff(io, &mut sniffed) => break told,
            () = &mut cutting => {
                state.set_cut(Cut::Bodies);
                return None;
            }
            () = silence(state) => {
                // It was never asked, but it is for the drain's sake that it is closed.
                state.set_told();
            }
            () = &mut late => {}
        }
        if !io.has_unread() {
            tracing::debug!(peer = %state.peer(), "the connection kept silent");
            return None;
        }
        late.set(sleep(SILENCE));
    };
    // Errors of the IO are counted where it counts.
    let protocol = told.ok().flatten()?;
    io.put_back(sniffed);
    Some(protocol)
}

/// Waits until a connection that is to leave has kept silent for long enough: a new one has more time for its first byte
/// than an idle one for its next, since its client has every reason to speak.
async fn silence(state: &State) {
    state.site().handle.drain_elapsed().await;
    let mut heard = None;
    while heard != Some(state.activity.last_read()) {
        heard = Some(state.activity.last_read());
        sleep(SILENCE.max(TO_LEAVE.saturating_sub(state.activity.now()))).await;
    }
}
