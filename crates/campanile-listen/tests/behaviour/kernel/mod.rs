//! Closing and accepting as the kernel sees them: each test has its own network namespace or process.

mod backlog;
mod descriptors;
mod handshake;
mod isolation;
mod resets;
mod wire;
