//! State that few exchanges have.

use http::{StatusCode, uri::PathAndQuery};

use crate::upgrade::UpgradeWatch;

/// The state of a tunnel, or of a call to a gRPC method that has not responded before.
pub(super) struct Cold {
    /// The path of the gRPC method, until a response proves that it is served: callers choose it freely.
    pub(super) unproven_rpc: Option<PathAndQuery>,
    /// The status and the seconds to the head, which are recorded at the end, when the route is known.
    pub(super) head: Option<(StatusCode, f64)>,
    pub(super) upgrade: Option<UpgradeWatch>,
}
