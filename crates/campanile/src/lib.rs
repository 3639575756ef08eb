#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "admin")]
#[doc(inline)]
pub use campanile_admin as admin;
#[cfg(feature = "backlog")]
#[doc(inline)]
pub use campanile_backlog as backlog;
#[cfg(feature = "axum")]
#[doc(inline)]
pub use campanile_core::MissingRequestContext;
#[doc(inline)]
pub use campanile_core::{
    Deadline, InRequestExt, InvalidRequestId, Outcome, RequestContext, RequestId, carry_blocking, exchange,
    headers, in_flight, method, reseed,
};
#[cfg(feature = "inbound")]
#[doc(inline)]
pub use campanile_inbound as inbound;
#[cfg(feature = "lifecycle")]
#[doc(inline)]
pub use campanile_lifecycle as lifecycle;
#[cfg(feature = "listen")]
#[doc(inline)]
pub use campanile_listen as listen;
#[doc(inline)]
pub use campanile_metrics as metrics;
#[cfg(feature = "outbound")]
#[doc(inline)]
pub use campanile_outbound as outbound;
#[cfg(feature = "recorder")]
#[doc(inline)]
pub use campanile_recorder as recorder;
#[cfg(feature = "server")]
#[doc(inline)]
pub use campanile_server as server;
#[cfg(feature = "server")]
#[doc(inline)]
pub use campanile_server::{Server, ServerRuntime};
