//! gRPC calls between a real tonic client and a real tonic service, over sockets.

mod deadlines;
mod service;
mod statuses;
