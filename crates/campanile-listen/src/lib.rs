//! campanile-listen.
