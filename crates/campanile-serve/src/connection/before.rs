//! What comes before HTTP: the TLS handshake, and the bytes that tell the protocol.
//!
//! Both happen in the connection's task, so that nobody holds up the accepting, and both end when the connection is
//! to leave and keeps silent: here hyper has no time limits, and asked to shut down it would drop what is on its way.

use std::time::Duration;

#[cfg(feature = "tls")]
use campanile_listen::CloseReason;
use campanile_listen::{CountedIo, Socket};
use tokio::time::sleep;

use super::io::{ServedIo, Stream};
use super::sniff::{Protocol, sniff};
use super::state::{Cut, State};
use crate::limits::SILENCE;
#[cfg(feature = "tls")]
use crate::limits::TO_LEAVE;

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
        site.handle.draining_over().await;
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
    let left = async {
        site.handle.draining_over().await;
        let mut seen = Duration::MAX;
        while seen != state.last_read() {
            seen = state.last_read();
            sleep(SILENCE).await;
        }
        // It was never asked, but it is for the drain's sake that it is closed.
        state.set_told();
    };
    let told = tokio::select! {
        told = sniff(io) => told,
        () = sleep(site.limits.sniff) => {
            tracing::debug!(peer = %state.peer(), "the connection kept silent");
            return None;
        }
        () = left => return None,
        () = site.handle.cutting() => {
            state.set_cut(Cut::Bodies);
            return None;
        }
    };
    // Errors of the IO are counted where it counts.
    let (protocol, sniffed) = told.ok().flatten()?;
    io.put_back(sniffed);
    Some(protocol)
}
