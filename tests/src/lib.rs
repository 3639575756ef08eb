//! What the integration tests share.

pub mod cases;
pub mod process;
pub mod wire;
