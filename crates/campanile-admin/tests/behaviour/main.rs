//! What the admin port answers, and to whom.

mod endpoints;
mod gates;
mod live;
mod metrics;
mod mounted;
mod port;
mod probes;
mod stubborn;
mod support;
