//! Counts upgraded streams that no connection wrapper sees.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use campanile_core::exchange::MethodClass;
use http::{Method, Request, StatusCode, Version, header::UPGRADE};

use crate::series::InboundSeries;

/// Counts an upgraded stream in `http_server_upgraded_connections` while it is held.
///
/// The metrics layer puts a guard into the extensions of each HTTP/2 request for a tunnel (`CONNECT`, also the extended
/// one that carries WebSockets), since only the handler knows how long the tunnel lives. Move a clone into the task that
/// serves the socket. The guard counts from the 2xx or 101 on, until the last clone is dropped; a guard that stays in the
/// request counts nothing.
#[derive(Clone)]
pub struct UpgradeGuard(Arc<Inner>);

struct Inner {
    table: &'static InboundSeries,
    counted: AtomicBool,
}

/// The layer's weak reference to a guard.
pub(crate) struct UpgradeWatch(Weak<Inner>);

/// Returns whether a request is for an upgrade that is counted here.
fn is_requested<B>(request: &Request<B>, also_h1: bool) -> bool {
    if request.version() <= Version::HTTP_11 {
        also_h1 && (*request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE))
    } else {
        *request.method() == Method::CONNECT
    }
}

/// Puts a guard into a request for an upgrade.
pub(crate) fn watch<B>(
    table: &'static InboundSeries,
    request: &mut Request<B>,
    also_h1: bool,
) -> Option<UpgradeWatch> {
    if !is_requested(request, also_h1) {
        return None;
    }
    let inner = Arc::new(Inner {
        table,
        counted: AtomicBool::new(false),
    });
    let watch = UpgradeWatch(Arc::downgrade(&inner));
    request.extensions_mut().insert(UpgradeGuard(inner));
    Some(watch)
}

impl UpgradeWatch {
    /// Begins to count, if the response accepts the upgrade and the guard is still held.
    pub(crate) fn on_response(self, table: &InboundSeries, method: MethodClass, status: StatusCode) {
        let accepted = status == StatusCode::SWITCHING_PROTOCOLS
            || (method == MethodClass::Connect && status.is_success());
        if let (true, Some(guard)) = (accepted, self.0.upgrade())
            && let Some(gauge) = table.upgraded()
        {
            gauge.increment(1.0);
            guard.counted.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.counted.load(Ordering::Relaxed)
            && let Some(gauge) = self.table.upgraded()
        {
            gauge.decrement(1.0);
        }
    }
}

impl fmt::Debug for UpgradeGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpgradeGuard")
            .field("counted", &self.0.counted)
            .finish_non_exhaustive()
    }
}
