#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod call_name;
#[cfg(feature = "connect")]
pub mod connect;
mod failure;
mod host;
pub mod metrics;
mod names;
pub mod propagate;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "shared")]
pub mod shared;
mod stack;

#[cfg(feature = "connect")]
#[doc(inline)]
pub use self::connect::{ConnectorLayer, Resolver};
#[cfg(feature = "reqwest")]
#[doc(inline)]
pub use self::reqwest::ReqwestService;
#[cfg(feature = "shared")]
#[doc(inline)]
pub use self::shared::shared;
#[doc(inline)]
pub use self::{
    call_name::CallName,
    metrics::MetricsLayer,
    names::METRICS,
    propagate::{CallDeadline, DeadlineExceeded, PropagateLayer},
    stack::{Stack, StackObserver, StackService, stack},
};
