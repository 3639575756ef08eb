//! What only Linux tells and does: the filter on a listening socket, and the sockets that are still shaking hands.

mod diag;
mod filter;

pub(crate) use self::diag::{backlog_limit, half_open};
pub(crate) use self::filter::drop_new_clients;
