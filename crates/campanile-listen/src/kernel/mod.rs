//! What only Linux tells and does: the filter on a listening socket, and the sockets that are still shaking hands.

#[cfg(target_os = "linux")]
mod diag;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod filter;

#[cfg(target_os = "linux")]
pub(crate) use self::diag::{backlog_limit, half_open};
#[cfg(not(target_os = "linux"))]
pub(crate) use self::elsewhere::{backlog_limit, drop_new_clients, half_open};
#[cfg(target_os = "linux")]
pub(crate) use self::filter::drop_new_clients;
