//! One connection, from the accept to the end of its IO.
//!
//! | file | role |
//! |---|---|
//! | `task` | the walk: TLS, protocol, HTTP |
//! | `before` | what comes before HTTP, each with its time |
//! | `io` | the IO: notes what is read, ends when cut, says farewell |
//! | `linger` | reads on behind the last answer, so that no reset overtakes it |
//! | `sniff` | HTTP/1 or HTTP/2 |
//! | `drive` | polls HTTP and does what the watch orders |
//! | `watch` | knows when to look: the tones of a stop, and the timer |
//! | `plan` | decides: timeouts, leaving, cut |
//! | `state` | what these and the requests tell each other |
//! | `activity` | what goes on, and since when nothing does |
//! | `streams` | the tasks of HTTP/2's streams |
//! | `info` | what a request may ask of its connection |

mod activity;
mod before;
mod drive;
mod info;
mod io;
mod linger;
mod plan;
mod sniff;
mod state;
mod streams;
mod task;
mod watch;

pub use self::info::{Connection, Draining};
#[cfg(feature = "tls")]
pub(crate) use self::sniff::Protocol;
pub(crate) use self::state::{Cut, State};
pub(crate) use self::task::serve;
