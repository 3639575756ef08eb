//! The cases of the benches: a trivial service, bare and under each layer.
//!
//! A request has three headers; the response is immediate, with one header and eleven bytes. As in hyper, the service is
//! cloned for each request, and the response body is read to its end. There are no sockets and no runtime, and the
//! recorder does nothing, so that only the cost of the layers remains.

mod case;
mod inbound;
mod noop_recorder;
mod outbound;
mod recorders;
mod requests;
mod routers;
mod services;

pub use self::case::BenchCase;

/// Returns all cases, each after its baseline.
pub fn all() -> Vec<BenchCase> {
    let mut all = inbound::cases();
    all.extend(outbound::cases());
    all.extend(routers::cases());
    all.extend(recorders::cases());
    all
}
