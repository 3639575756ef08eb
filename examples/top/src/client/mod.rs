//! The client of an admin port.

mod admin_client;
mod error;
mod follow;
mod live_stream;

pub use self::{
    admin_client::AdminClient,
    error::ClientError,
    follow::{follow, poll_filtered},
    live_stream::{EventParser, LiveStream},
};
