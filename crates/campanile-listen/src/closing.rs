//! The close of a listener that resets nobody.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::SockRef;
use tokio::task::consume_budget;
use tokio::time::{Instant, sleep_until};

use crate::acceptor::Acceptor;
use crate::kernel::{drop_new_clients, half_open};
use crate::shortage::Shortage;
use crate::{Accepted, Connections, ListenAddress, ListenerLabel, Sharing};

/// For how long clients that are still shaking hands are waited for.
const WINDOW: Duration = Duration::from_millis(300);

/// How long the queue may take before new clients are turned away all the same: a queue into which they come faster
/// than they are accepted has no end.
const QUEUE: Duration = Duration::from_millis(100);

/// Between two looks for half-open connections.
const LOOK: Duration = Duration::from_millis(4);

/// Looks in a row that have to find nothing, with a sweep between. A packet that passed the socket before the filter was
/// there may become a connection after the first.
const QUIET_LOOKS: u32 = 2;

const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How long descriptors may be missing before the reserve is given up.
const RESERVE_AFTER: Duration = Duration::from_millis(200);

/// A listener on its way to being closed; made by [`Listener::close`](crate::Listener::close).
///
/// Dropping it closes the socket at once and resets whoever waits in its queue.
#[must_use = "clients still wait in the queue, and are reset if it is dropped"]
pub struct Closing {
    /// `None` once the socket is closed.
    acceptor: Option<Acceptor>,
    address: ListenAddress,
    connections: Connections,
    shortage: Shortage,
    window: Duration,
    step: Step,
}

enum Step {
    /// Accepts what waited when the close began.
    Queue { until: Instant },
    /// New clients are turned away; those that still shake hands are waited for.
    Window {
        until: Instant,
        next_look: Instant,
        quiet: u32,
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
            Sharing::Own => Some(acceptor),
            // The queue belongs to the others who hold the socket, and so does everything that could be done to it.
            Sharing::Shared => None,
        };
        if let (Some(acceptor), ListenAddress::Unix(_)) = (&acceptor, &address) {
            refuse_new_clients(acceptor, &connections);
        }
        Self {
            acceptor,
            address,
            connections,
            shortage: Shortage::new(SHORTEST_PAUSE, LONGEST_PAUSE),
            window: WINDOW,
            step: Step::Queue {
                until: Instant::now() + QUEUE,
            },
        }
    }

    /// Sets for how long TCP clients that are still shaking hands are waited for, 300 ms otherwise. Only those who are
    /// further away, by the time of a way there and back, are reset.
    pub fn with_window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Returns the label that its metrics have.
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

    /// Accepts the next client that waits in the queue or was still shaking hands; `None` once there is none left and
    /// the socket is closed.
    ///
    /// It takes about 5 ms beyond the queue, and at most the window where handshakes take long. Without descriptors it
    /// waits for those of connections that end, for as long as it is polled.
    ///
    /// Cancel safe: a dropped `accept` has accepted nobody, and the close goes on with the next.
    pub async fn accept(&mut self) -> Option<Accepted> {
        loop {
            consume_budget().await;
            self.shortage.pause().await;
            let acceptor = self.acceptor.as_mut()?;
            match acceptor.try_next() {
                Ok((socket, peer)) => {
                    self.shortage.accepted();
                    self.go_on_in_time();
                    return Some(Accepted::new(self.connections.wrap(socket), peer));
                }
                Err(error) if is_empty(&error) => {
                    self.shortage.emptied(&self.connections);
                    self.after_sweep().await;
                }
                Err(error) => self.failed(&error),
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        self.shortage.failed(error, &self.connections);
        if self.shortage.lasts() > RESERVE_AFTER
            && error.raw_os_error() == Some(libc::EMFILE)
            && let Some(reserve) = self.acceptor.as_mut().and_then(Acceptor::take_reserve)
        {
            tracing::warn!(
                listener = self.label().as_str(),
                "no descriptor came free: the reserve is given up, so that one client after the other is accepted"
            );
            drop(reserve);
        }
    }

    fn go_on_in_time(&mut self) {
        if let Step::Queue { until } = self.step
            && Instant::now() >= until
        {
            self.open_window();
        }
    }

    /// The queue is empty for now: goes a step further.
    async fn after_sweep(&mut self) {
        let ListenAddress::Tcp(address) = self.address else {
            // Nobody can have come since, and there are no handshakes.
            self.acceptor = None;
            return;
        };
        match &mut self.step {
            Step::Queue { .. } => self.open_window(),
            Step::Window {
                until,
                next_look,
                quiet,
            } => {
                let now = Instant::now();
                if *quiet >= QUIET_LOOKS || now >= *until {
                    // Nothing is awaited between the sweep that found nobody and this.
                    self.acceptor = None;
                    return;
                }
                if now < *next_look {
                    sleep_until(*next_look).await;
                    return;
                }
                *next_look = now + LOOK;
                *quiet = match half_open(address) {
                    Ok(false) => *quiet + 1,
                    // What cannot be seen has to be waited for.
                    Ok(true) | Err(_) => 0,
                };
            }
        }
    }

    fn open_window(&mut self) {
        if let Some(acceptor) = &self.acceptor
            && let Err(error) = drop_new_clients(acceptor.as_fd())
        {
            tracing::warn!(
                listener = self.label().as_str(),
                "new clients cannot be turned away while the listener closes, the last of them may be reset: {error}"
            );
        }
        let now = Instant::now();
        self.step = Step::Window {
            until: now + self.window,
            next_look: now,
            quiet: 0,
        };
    }
}

/// A unix socket refuses from now on, and keeps its queue.
fn refuse_new_clients(acceptor: &Acceptor, connections: &Connections) {
    if let Err(error) = SockRef::from(acceptor).shutdown(Shutdown::Read) {
        tracing::warn!(
            listener = connections.label().as_str(),
            "new clients cannot be turned away while the listener closes, the last of them may be reset: {error}"
        );
    }
}

/// Tells whether accept(2) found nobody. One that was shut down, as a unix socket is here, has another error for it.
fn is_empty(error: &io::Error) -> bool {
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
