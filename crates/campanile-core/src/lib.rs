#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod body;
pub mod carry;
pub mod clock;
mod context;
pub mod deadline;
pub mod grpc;
pub mod headers;
pub mod in_flight;
pub mod method;
pub mod nesting;
mod outcome;
mod request_id;
pub mod seldom;
pub mod series;
pub mod spares;

#[doc(inline)]
pub use self::{
    carry::{InRequestExt, carry_blocking},
    context::{Entered, Lent, RequestContext, Scoped},
    deadline::Deadline,
    outcome::Outcome,
    request_id::{InvalidRequestId, RequestId},
};
