//! How a body ends. The only place that knows.
//!
//! [`TrackedBody`] passes a body through unchanged and calls an [`OnBodyEnd`] exactly once: at the last frame, at an
//! error, or when it is dropped. What counts as the end follows how servers use bodies:
//!
//! | case | end |
//! |---|---|
//! | answer to `HEAD`, 1xx, 204, 304, 2xx to `CONNECT` | at the head: the server drops the body unpolled |
//! | `is_end_stream()` from the start | at the head: it may never be polled |
//! | `is_end_stream()` after a data frame | with that frame: hyper polls no further |
//! | trailers, or `None` | then |
//! | as many bytes as the exact size hint tells, or else `Content-Length` | when it is dropped after them, complete; trailers may still follow |
//! | an error | [`EndReason::Failed`] |
//! | it panics | [`EndReason::Panicked`], at once |
//! | dropped earlier | [`EndReason::Dropped`] |

mod end;
mod tracked;
mod tracking;

pub use self::{
    end::{BodyEnd, EndReason, MethodClass, OnBodyEnd},
    tracked::TrackedBody,
    tracking::{BodyTracker, ExpectedLength, track},
};
