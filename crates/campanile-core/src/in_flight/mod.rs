//! The table of requests in flight: a seat for each, readable at any time from any thread.
//!
//! The request id layer takes a [`InFlightEntry`] when a request comes and gives it back at the end of its answer; other
//! layers note the route and what the request is doing through the context's [`InFlightEntryRef`].
//!
//! Threads get seats from the table 32 at a time and keep up to 64 free ones, so that a thread locks for one request
//! in 32 at most, and for none where requests end on the thread they came to. Memory is allocated when a seat is used
//! for the first time, 256 seats at once. A reader of the table disturbs no request.
//!
//! There is one table in a process, since its rows are the process's requests. It has 65,536 seats; a request that
//! finds none is served without one.
//!
//! ```
//! use campanile_core::{RequestId, clock::FastInstant, in_flight};
//!
//! let seat = in_flight::InFlightEntry::take(&RequestId::generate(), 0, FastInstant::now()).expect("a seat is free");
//! let reference = seat.reference();
//! reference.set_calling(in_flight::Label::intern("stock"));
//! assert_eq!(in_flight::snapshot()[0].host, Some("stock"));
//!
//! drop(seat);
//! reference.set_body(); // too late: without effect
//! assert!(in_flight::snapshot().is_empty());
//! ```

mod free_list;
mod label;
mod seqlock;
mod table;

pub use self::{
    label::Label,
    table::{InFlightEntry, InFlightEntryRef, InFlightRequest, Phase, snapshot},
};
