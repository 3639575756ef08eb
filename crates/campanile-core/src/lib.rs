#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "axum")]
mod axum;
#[doc(hidden)]
pub mod box_pool;
pub mod clock;
#[doc(hidden)]
mod context;
pub mod deadline;
pub mod exchange;
pub mod grpc;
pub mod headers;
pub mod in_flight;
mod in_request;
#[doc(hidden)]
pub mod layer_id;
pub mod method;
mod outcome;
mod request_id;
mod scoped;
#[doc(hidden)]
pub mod series;

#[cfg(feature = "axum")]
#[doc(inline)]
pub use self::axum::MissingRequestContext;
#[doc(inline)]
pub use self::{
    context::{Entered, IncomingValue, RequestContext},
    deadline::Deadline,
    in_request::{InRequestExt, carry_blocking},
    outcome::Outcome,
    request_id::{InvalidRequestId, RequestId, reseed},
    scoped::Scoped,
};
