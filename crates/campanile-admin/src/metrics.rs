//! The metrics of this crate.

use campanile_metrics::{CLOSURE_PANICS, Descriptor};

/// All metric families that this crate records.
pub const METRICS: &[Descriptor] = &[CLOSURE_PANICS];
