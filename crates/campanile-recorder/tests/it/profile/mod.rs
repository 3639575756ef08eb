//! Profiles: the mapping of handles, and each row of the built-in tables.

mod baseplate;
mod cases;
mod gauges;
mod gunicorn;
mod handles;
mod prometheus;
mod support;
mod talisker;
