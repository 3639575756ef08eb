#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod closure_panics;
mod common;
mod descriptor;
mod errno;
mod escaped;
mod fold_counter;
mod global_recorder;
mod handle;
mod identity;
mod label_limiter;
mod lazy_handle;
mod log_limit;
mod per_recorder;
mod recorder_handle;

#[doc(no_inline)]
pub use metrics::Unit;

pub use self::{
    closure_panics::{CaughtPanic, ClosurePanics},
    common::{CLOSURE_PANICS, SERIES_FOLDED, UPGRADED_CONNECTIONS},
    descriptor::{Descriptor, Kind},
    errno::{errno_name, errno_name_of},
    escaped::Escaped,
    fold_counter::FoldCounter,
    handle::Handle,
    label_limiter::{LabelLimiter, OTHER},
    lazy_handle::LazyHandle,
    log_limit::{LogDecision, LogLimit},
    per_recorder::PerRecorder,
    recorder_handle::RecorderHandle,
};
