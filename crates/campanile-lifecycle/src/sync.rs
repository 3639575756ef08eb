//! The atomics and locks of what is shared, which loom replaces to try every order.

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
