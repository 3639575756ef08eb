//! One connection, from the accept to the end of its IO.
//!
//! | file | role |
//! |---|---|
//! | `task` | serves a connection: handshake, protocol, HTTP |
//! | `handshake` | the TLS handshake and the detection of the protocol |
//! | `sniff` | HTTP/1 or HTTP/2, by the first bytes |
//! | `error_response` | explains the responses that hyper sends by itself |
//! | `eviction` | the request to give way to a waiting client |
//! | `failure` | counts and logs what ended a connection |
//! | `io` | the IO below HTTP: records reads and writes, ends when cut, lingers before it closes |
//! | `shutdown` | decides when the connection closes, and keeps its timer |
//! | `state` | the state shared by the task, the IO and the requests |
//! | `grace` | the last look at the socket before a timeout |
//! | `activity` | requests, reads and writes, and their times |
//! | `upload`, `head`, `chunks` | how much of an HTTP/1 request body is missing |
//! | `h2_executor` | spawns the tasks of HTTP/2 streams |
//! | `stream_progress` | the bytes of an HTTP/2 response that wait for the client's window |
//! | `stall_sweep` | finds streams whose client takes nothing |
//! | `handle` | the public `Connection` in a request's extensions |

mod activity;
mod chunks;
mod error_response;
mod eviction;
mod failure;
#[cfg(any(test, fuzzing))]
mod fuzz;
mod grace;
mod h2_executor;
mod handle;
mod handshake;
mod head;
mod io;
mod shutdown;
mod sniff;
mod stall_sweep;
mod state;
mod stream_progress;
mod task;
mod upload;

pub(crate) use self::failure::refuse;
#[cfg(fuzzing)]
pub use self::fuzz::check_upload;
pub(crate) use self::grace::GraceTimer;
#[cfg(feature = "tls")]
pub(crate) use self::grace::timeout;
pub use self::handle::{Connection, ConnectionDraining};
#[cfg(feature = "tls")]
pub(crate) use self::sniff::Protocol;
pub(crate) use self::state::{ConnectionState, ShutdownStage};
pub(crate) use self::stream_progress::{StreamProgress, WaitingBytes};
pub(crate) use self::task::serve;
pub(crate) use self::upload::Framing;
