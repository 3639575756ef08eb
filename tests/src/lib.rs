//! What the integration tests share.

pub mod process;
pub mod wire;
