//! The table of requests in flight: a seat for each, readable at any time from any thread.
//!
//! The request id layer takes a [`Seat`] when a request comes and gives it back at the end of its answer; other
//! layers note the route and what the request is doing through the context's [`SeatRef`]. Taking a seat locks
//! nothing and allocates nothing; a reader of the table disturbs no request.
//!
//! There is one table in a process, since its rows are the process's requests. It has 65,536 seats; a request that
//! finds none is served without one.

mod cell;
mod label;
mod seats;

pub use self::{
    label::Label,
    seats::{InFlightRequest, Phase, Seat, SeatRef, snapshot},
};
