//! Refuses what the service cannot serve now, at once and properly.
//!
//! ```
//! use campanile_inbound::InFlightLimitLayer;
//!
//! let layer = InFlightLimitLayer::new(512).with_exempt_route("/health");
//! // One number for the whole service: a clone is the same limit, over all connections and routes.
//! let limit = layer.limit();
//! limit.set(256);
//! assert_eq!((limit.get(), limit.in_use()), (256, 0));
//! ```
//!
//! A request takes a slot in `call` and gives it back at the end of its answer's body, or when it is dropped. Without
//! a free slot it is answered at once with 503 and `Retry-After: 1`, over gRPC with `RESOURCE_EXHAUSTED`; nothing
//! waits. `poll_ready` never says no, since a slot reserved there is lost when the service is cloned.
//!
//! | metric (label `limit`) | |
//! |---|---|
//! | `http_server_shed_requests_total` | requests refused |
//! | `http_server_concurrency_limit` | the limit, once there was a request |
//! | `http_server_saturated_seconds_total` | whole seconds during which all slots were taken |
//!
//! **What it does not do.** It does not queue, and it does not find the right limit by itself.

mod future;
mod layer;
mod slots;

pub use self::{
    future::{ResponseBody, ResponseFuture},
    layer::{InFlightLimitLayer, InFlightLimitService},
    slots::{Limit, Slot},
};
