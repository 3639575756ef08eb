//! Rejects requests beyond a number in flight, at once.
//!
//! ```
//! use campanile_inbound::InFlightLimitLayer;
//!
//! let layer = InFlightLimitLayer::new(512).with_exempt_route("/health");
//! // One number for the whole service: a clone is the same limit, over all connections and routes.
//! let limit = layer.limit().expect("made with a limit");
//! limit.set(256);
//! assert_eq!((limit.get(), limit.in_use()), (256, 0));
//! ```
//!
//! A request takes a slot in `call` and gives it back at the end of the response body, or when it is dropped. Without a
//! free slot the response is 503 with `Retry-After: 1`, over gRPC `RESOURCE_EXHAUSTED`; no request waits. `poll_ready` does
//! not reserve a slot, since a reservation is lost when the service is cloned.
//!
//! | metric (label `limit`) | |
//! |---|---|
//! | `http_server_shed_requests_total` | rejected requests |
//! | `http_server_concurrency_limit` | the limit, from the first request on |
//! | `http_server_saturated_seconds_total` | whole seconds during which all slots were taken |
//!
//! **What it does not do.** It does not queue, and it does not find the right limit by itself. tower's
//! `ConcurrencyLimitLayer` waits instead of rejecting.

mod layer;
#[allow(clippy::module_inception, reason = "the limit, beside its layer")]
mod limit;

use campanile_core::exchange::{self, ExchangeService, ObservedBody};

pub use self::{
    layer::{InFlightLimitLayer, InFlightLimitObserver},
    limit::Limit,
};

/// The service of [`InFlightLimitLayer`].
pub type InFlightLimitService<S> = ExchangeService<S, InFlightLimitLayer>;

/// The future of [`InFlightLimitService`].
pub type ResponseFuture<F> = exchange::ResponseFuture<F, InFlightLimitObserver>;

/// The response body of [`InFlightLimitService`], which holds the slot.
pub type ResponseBody<B> = ObservedBody<B, InFlightLimitObserver>;
