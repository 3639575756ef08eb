#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod catch_panic;
pub mod deadline;
pub mod drain;
mod intern;
pub mod limit;
mod log;
pub mod metrics;
mod names;
mod rejection;
pub mod request_body;
pub mod request_id;
pub mod request_start;
mod route;
mod series;
mod stack;
mod upgrade;
mod upload;
pub mod view_name;

pub use self::{
    catch_panic::CatchPanicLayer,
    deadline::DeadlineLayer,
    drain::DrainLayer,
    limit::{InFlightLimitLayer, Limit},
    metrics::MetricsLayer,
    names::METRICS,
    request_body::RequestBodySizeLayer,
    request_id::RequestIdLayer,
    request_start::RequestStartLayer,
    route::Route,
    stack::{Stack, StackObserver, StackService, stack},
    upgrade::UpgradeGuard,
    view_name::ViewNameLayer,
};
