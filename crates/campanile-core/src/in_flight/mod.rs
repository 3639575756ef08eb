//! The table of requests in flight, readable at any time from any thread.
//!
//! The request id layer holds an [`InFlightEntry`] from the request to the end of the response body. Other layers
//! record the route and the phase of the request through the [`InFlightEntryRef`] in its context.
//!
//! Each process has one table, of 65,536 rows; a request for which no row is free is served without an entry. Each
//! thread has a free list of up to 64 rows and exchanges them with the table's free list 32 at a time, so that a thread
//! takes the lock for at most one request in 32, and never if requests end on the thread where they began. Rows are
//! allocated 256 at a time, on first use. Readers do not block requests.
//!
//! ```
//! use campanile_core::{RequestId, clock::FastInstant, in_flight};
//!
//! let entry = in_flight::InFlightEntry::take(&RequestId::generate(), 0, FastInstant::now()).expect("a row is free");
//! let reference = entry.reference();
//! reference.set_calling(in_flight::InternedName::new("stock"));
//! assert_eq!(in_flight::snapshot()[0].host, Some("stock"));
//!
//! drop(entry);
//! reference.set_body(); // no effect after the end
//! assert!(in_flight::snapshot().is_empty());
//! ```

mod free_list;
mod interned_name;
mod seqlock;
mod table;

pub use self::{
    interned_name::InternedName,
    table::{InFlightEntry, InFlightEntryRef, InFlightRequest, RequestPhase, snapshot},
};
