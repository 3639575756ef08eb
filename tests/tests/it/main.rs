//! The integration tests: one binary, so that it links once.

mod conformance;
mod fan_out;
mod request_ids;
