//! What tables of names do to what is recorded, and each row of those that come with the crate.
#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

mod baseplate;
mod cases;
mod gauges;
mod gunicorn;
mod handles;
mod prometheus;
mod support;
mod talisker;
