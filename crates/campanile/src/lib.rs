//! campanile.
