//! What is seen of an admin port.

mod attached;
mod keys;
mod model;
mod port;
mod recorded;
mod screen;
mod stream;
