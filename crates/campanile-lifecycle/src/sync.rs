//! Atomics and locks, which loom replaces to explore interleavings.

#[cfg(campanile_loom)]
pub(crate) use loom::sync::{
    Mutex,
    atomic::{AtomicU8, AtomicUsize, Ordering},
};
#[cfg(not(campanile_loom))]
pub(crate) use std::sync::{
    Mutex,
    atomic::{AtomicU8, AtomicUsize, Ordering},
};
