//! The endpoints, as a service.

mod accept;
mod answer;
mod endpoint;
mod gate;
mod gzip;
mod handlers;
mod page;
mod query;
mod requests;
mod scrape;
mod tower;

pub(crate) use self::gate::Gate;
pub use self::tower::{AdminService, Probes, ResponseFuture};
