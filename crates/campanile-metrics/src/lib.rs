#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod closure_panics;
mod common;
mod descriptor;
mod errno;
mod fold_counter;
mod global_recorder;
mod handle;
mod identity;
mod label_limiter;
mod lazy_handle;
mod per_recorder;
mod recorder_handle;

#[doc(no_inline)]
pub use metrics::Unit;

pub use self::{
    closure_panics::{CaughtPanic, ClosurePanics},
    common::{CLOSURE_PANICS, SERIES_FOLDED, UPGRADED_CONNECTIONS},
    descriptor::{Descriptor, Kind},
    errno::{errno_name, errno_name_of},
    fold_counter::FoldCounter,
    handle::Handle,
    label_limiter::{LabelLimiter, OTHER},
    lazy_handle::LazyHandle,
    per_recorder::PerRecorder,
    recorder_handle::RecorderHandle,
};
