//! Makes room for a waiting client at the connection limit.

use std::fmt;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::time::timeout;

use crate::acceptor::Acceptor;
use crate::{ConnectionPermit, Connections};

/// The interval of checks for a waiting client, of which the runtime does not notify without accepting.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// The longest wait for a connection that is going to close.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);

/// The function that has a connection closed.
pub(crate) struct Eviction {
    evict: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Eviction {
    pub(crate) fn new(evict: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            evict: Box::new(evict),
        }
    }

    /// Waits for a permit, and evicts while a client waits too. Cancel safe.
    pub(crate) async fn ready(&self, connections: &Connections, acceptor: &Acceptor) -> ConnectionPermit {
        loop {
            if let Some(permit) = connections.try_ready() {
                return permit;
            }
            let is_closing = has_client(acceptor) && (self.evict)();
            let wait = if is_closing { CLOSE_TIMEOUT } else { CHECK_INTERVAL };
            if let Ok(permit) = timeout(wait, connections.ready()).await {
                return permit;
            }
        }
    }
}

/// Returns whether a connection is in the accept queue.
fn has_client(acceptor: &Acceptor) -> bool {
    let mut sockets = [PollFd::new(acceptor, PollFlags::IN)];
    poll(&mut sockets, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

impl fmt::Debug for Eviction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eviction").finish_non_exhaustive()
    }
}
