//! Asks an admin port.

mod failure;
mod follow;
mod live;
mod port;
mod stream;

pub use self::{
    failure::Failure,
    follow::{filtered, follow},
    live::Live,
    port::Port,
    stream::Stream,
};
