//! Tests of campanile-inbound that share a process. The table of requests in flight has one of its own.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod contract;
mod deadline;
mod drain;
mod labels;
mod nested;
mod request_start;
mod view_name;
