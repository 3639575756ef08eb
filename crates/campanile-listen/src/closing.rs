//! Closing a listener without resetting connections.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::SockRef;
use tokio::task::consume_budget;
use tokio::time::{Instant, sleep_until};

use crate::accept_backoff::AcceptBackoff;
use crate::acceptor::Acceptor;
use crate::kernel::{drop_syns, has_half_open};
use crate::{Accepted, Connections, ListenAddress, ListenerLabel, Sharing};

/// Default time for handshakes in progress to complete.
const HANDSHAKE_WINDOW: Duration = Duration::from_millis(300);

/// Time after which new clients are refused even if the queue is not empty: under load it may never be.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(100);

/// Interval between checks for half-open connections.
const CHECK_INTERVAL: Duration = Duration::from_millis(4);

/// Consecutive checks that must find no half-open connection. A packet that passed the socket before the filter was
/// attached may become a connection after the first check.
const CLEAR_CHECKS: u32 = 2;

const MIN_PAUSE: Duration = Duration::from_millis(5);
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// Time without a free descriptor after which the reserve is released.
const RESERVE_DELAY: Duration = Duration::from_millis(200);

/// A listener that is being closed; created by [`Listener::close`](crate::Listener::close).
///
/// Dropping it closes the socket at once and resets the connections in its accept queue.
#[must_use = "dropping it resets the connections in the accept queue"]
pub struct Closing {
    /// `None` once the socket is closed.
    acceptor: Option<Acceptor>,
    address: ListenAddress,
    connections: Connections,
    backoff: AcceptBackoff,
    window: Duration,
    step: CloseStep,
}

enum CloseStep {
    /// Accepts the connections that were queued when the close began.
    Queue { until: Instant },
    /// New clients are refused; handshakes in progress may complete.
    Handshakes {
        until: Instant,
        next_check: Instant,
        clear_checks: u32,
    },
}

impl Closing {
    pub(crate) fn new(
        acceptor: Acceptor,
        address: ListenAddress,
        sharing: Sharing,
        connections: Connections,
    ) -> Self {
        let acceptor = match sharing {
            Sharing::Exclusive => Some(acceptor),
            // Other holders accept from the queue.
            Sharing::Shared => None,
        };
        let closing = Self {
            acceptor,
            address,
            connections,
            backoff: AcceptBackoff::new(MIN_PAUSE, MAX_PAUSE),
            window: HANDSHAKE_WINDOW,
            step: CloseStep::Queue {
                until: Instant::now() + QUEUE_TIMEOUT,
            },
        };
        if closing.address.path().is_some() {
            // The socket refuses from now on and keeps its queue.
            closing.refuse_clients(|acceptor| SockRef::from(acceptor).shutdown(Shutdown::Read));
        }
        closing
    }

    /// Sets how long TCP handshakes in progress may take to complete, by default 300 ms. Only clients whose round trip
    /// takes longer are reset.
    pub fn with_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Returns the label of its metrics.
    #[must_use]
    pub fn label(&self) -> &ListenerLabel {
        self.connections.label()
    }

    /// Returns the handle that counts its connections.
    #[must_use]
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Returns the socket, until it is closed.
    #[must_use]
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.acceptor.as_ref().map(AsFd::as_fd)
    }

    /// Accepts the next connection that was queued or in its handshake; `None` once there are none and the socket is
    /// closed.
    ///
    /// The close takes about 5 ms longer than accepting the queue, and up to the window while handshakes are in progress.
    /// Without descriptors it waits for those of connections that end, for as long as it is polled.
    ///
    /// Cancel safe: a dropped `accept` has accepted no connection, and the next call continues.
    pub async fn accept(&mut self) -> Option<Accepted> {
        loop {
            consume_budget().await;
            self.backoff.pause().await;
            let acceptor = self.acceptor.as_mut()?;
            match acceptor.try_accept() {
                Ok((stream, peer)) => {
                    self.backoff.on_accept();
                    if matches!(self.step, CloseStep::Queue { until } if Instant::now() >= until) {
                        self.start_handshake_window();
                    }
                    let io = self.connections.wrap(stream);
                    return Some(Accepted { io, peer });
                }
                Err(error) if is_queue_empty(&error) => {
                    self.backoff.on_empty(&self.connections);
                    self.advance().await;
                }
                Err(error) => self.on_error(&error),
            }
        }
    }

    fn on_error(&mut self, error: &io::Error) {
        self.backoff.on_error(error, &self.connections);
        if self.backoff.outage_duration() > RESERVE_DELAY
            && error.raw_os_error() == Some(libc::EMFILE)
            && let Some(reserve) = self.acceptor.as_mut().and_then(Acceptor::take_reserve)
        {
            tracing::warn!(
                listener = self.label().as_str(),
                "out of file descriptors; releasing the reserved one to accept connections one at a time"
            );
            drop(reserve);
        }
    }

    /// Takes the next step, since the queue is empty.
    async fn advance(&mut self) {
        let ListenAddress::Tcp(address) = self.address else {
            // Unix sockets have no handshakes, and refuse since the close began.
            self.acceptor = None;
            return;
        };
        match &mut self.step {
            CloseStep::Queue { .. } => self.start_handshake_window(),
            CloseStep::Handshakes {
                until,
                next_check,
                clear_checks,
            } => {
                let now = Instant::now();
                if *clear_checks >= CLEAR_CHECKS || now >= *until {
                    // Nothing is awaited between the accept that found the queue empty and this.
                    self.acceptor = None;
                    return;
                }
                if now < *next_check {
                    sleep_until(*next_check).await;
                    return;
                }
                *next_check = now + CHECK_INTERVAL;
                *clear_checks = match has_half_open(address) {
                    Ok(false) => *clear_checks + 1,
                    // If the table cannot be read, the window lasts in full.
                    Ok(true) | Err(_) => 0,
                };
            }
        }
    }

    fn start_handshake_window(&mut self) {
        self.refuse_clients(|acceptor| drop_syns(acceptor.as_fd()));
        let now = Instant::now();
        self.step = CloseStep::Handshakes {
            until: now + self.window,
            next_check: now,
            clear_checks: 0,
        };
    }

    fn refuse_clients(&self, refuse: impl FnOnce(&Acceptor) -> io::Result<()>) {
        if let Some(Err(error)) = self.acceptor.as_ref().map(refuse) {
            tracing::warn!(
                listener = self.label().as_str(),
                "new clients cannot be refused while the listener closes; the last of them may be reset: {error}"
            );
        }
    }
}

/// Returns whether accept(2) found the queue empty. On a unix socket after shutdown(2) the error is `EINVAL`.
fn is_queue_empty(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EINVAL)
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing")
            .field("address", &self.address)
            .field("closed", &self.acceptor.is_none())
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
