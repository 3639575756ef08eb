#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod admin;
mod body;
mod exposition;
mod lane;
mod live;
mod peer;
mod request;
#[cfg(unix)]
mod server;
mod service;
mod settings;
mod status;

pub use self::admin::Admin;
pub use self::body::{Body, BodyError};
pub use self::exposition::{Exposition, IntoExposition};
pub use self::live::Sampler;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use self::live::replay;
pub use self::peer::Peer;
pub use self::request::Request;
#[cfg(unix)]
pub use self::server::Listen;
pub use self::service::{AdminService, Probes, ResponseFuture};
pub use self::status::{Check, Phase, Status};
pub use ipnet::IpNet;
