//! Integration tests of `campanile-top`.

mod admin_port;
mod event_parser;
mod keys;
mod model;
mod program;
mod recorded;
mod screen;
