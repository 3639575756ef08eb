//! Reports that a client left before its request body was complete.
//!
//! The server sees it where it reads the connection, or where it polls the body; the outcome is recorded by a layer further
//! in, which sees neither. The server's observer sets the report while it is entered, as the layers' ids are.

use std::cell::Cell;

/// What the server knows of the client whose exchange runs on this thread.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ClientLeft {
    /// The client has not left, or there is no report.
    #[default]
    No,
    /// The connection has ended. If the exchange is polled now, the request body was incomplete; if it is dropped, the server
    /// may have given up an exchange whose request body was complete.
    OncePolled,
    /// The client left before its request body was complete.
    Yes,
}

thread_local! {
    static REPORT: Cell<ClientLeft> = const { Cell::new(ClientLeft::No) };
}

impl ClientLeft {
    /// Sets the report of the running exchange.
    #[inline]
    pub fn report(self) {
        REPORT.set(self);
    }

    /// Returns the report of the running exchange.
    #[inline]
    #[must_use]
    pub fn current() -> Self {
        REPORT.get()
    }
}
