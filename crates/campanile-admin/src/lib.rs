#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod admin;
mod body;
mod closure_thread;
mod config;
mod exposition;
#[cfg(unix)]
mod listener;
mod live;
mod metrics;
mod peer;
mod request_row;
#[cfg(unix)]
mod server;
mod service;
mod status;

pub use self::admin::Admin;
pub use self::body::{Body, BodyError};
pub use self::exposition::{Exposition, IntoExposition};
#[cfg(unix)]
pub use self::listener::AdminListener;
pub use self::live::Sampler;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use self::live::check_samples;
pub use self::metrics::METRICS;
pub use self::peer::Peer;
pub use self::request_row::RequestRow;
pub use self::service::{AdminService, ResponseFuture};
pub use self::status::{CheckResult, ServicePhase, ServiceStatus};
pub use ipnet::IpNet;
