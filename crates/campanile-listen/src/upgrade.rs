//! Recognises that a connection left HTTP/1 by an upgrade, from what its IO can see.
//!
//! Two facts must meet. First, a write that begins with the status line of a switch: `HTTP/1.1 101`, or
//! `HTTP/1.1 2xx` after a read that began with `CONNECT`; hyper flushes every head before it reads on, so a
//! head begins its write. Then, a read or a write by another task than the one that wrote the head: after the
//! switch hyper hands the IO to whoever asked for it, and that is a task of its own. The status line alone
//! would be fooled by a streamed body whose next piece happens to begin with those bytes, which a client of
//! an echo can bring about at will; a connection that goes on speaking HTTP never changes its task.
//!
//! It costs a comparison of a few bytes per write until the first write shows that this is not HTTP/1 in the
//! clear (HTTP/2, or TLS below), or until the upgrade; then nothing.

use std::io::IoSlice;

use tokio::task;

#[derive(Debug)]
pub(crate) struct UpgradeWatch(Step);

#[derive(Debug)]
enum Step {
    /// Nothing was written so far.
    Fresh { connect: bool },
    /// HTTP/1 was written; `connect` if the last request seen is a `CONNECT`.
    Http { connect: bool },
    /// The head of a switch was written by this task.
    Switching { by: task::Id },
    /// There is nothing more to find out.
    Settled,
}

impl UpgradeWatch {
    pub(crate) fn new() -> Self {
        Self(Step::Fresh { connect: false })
    }

    /// Returns true once: when a read or a write begins that shows the upgrade.
    #[inline]
    pub(crate) fn touched(&mut self) -> bool {
        let Step::Switching { by } = self.0 else {
            return false;
        };
        if task::try_id() == Some(by) {
            return false;
        }
        self.0 = Step::Settled;
        true
    }

    /// Takes in the bytes that a read brought.
    #[inline]
    pub(crate) fn read(&mut self, new: &[u8]) {
        if let Step::Fresh { connect } | Step::Http { connect } = &mut self.0
            && new.starts_with(b"CONNECT ")
        {
            *connect = true;
        }
    }

    /// Takes in the bytes that a write offers. Returns true if they show the upgrade by themselves, since no
    /// task runs by which a change could be seen.
    #[inline]
    pub(crate) fn write(&mut self, offered: &[u8]) -> bool {
        let (first, connect) = match self.0 {
            Step::Settled => return false,
            Step::Fresh { connect } => (true, connect),
            Step::Http { connect } => (false, connect),
            Step::Switching { .. } => (false, false),
        };
        let Some(status) = offered.strip_prefix(b"HTTP/1.") else {
            if first && !offered.is_empty() {
                self.0 = Step::Settled;
            }
            return false;
        };
        if !(status.starts_with(b"1 101") || connect && status.starts_with(b"1 2")) {
            // A 100 or 103 is not yet the answer.
            self.0 = Step::Http {
                connect: connect && status.starts_with(b"1 1"),
            };
            return false;
        }
        match task::try_id() {
            Some(by) => {
                self.0 = Step::Switching { by };
                false
            }
            None => {
                self.0 = Step::Settled;
                true
            }
        }
    }

    /// [`write`](Self::write) of the first buffer that is not empty.
    #[inline]
    pub(crate) fn write_vectored(&mut self, offered: &[IoSlice<'_>]) -> bool {
        match self.0 {
            Step::Settled => false,
            _ => offered
                .iter()
                .find(|piece| !piece.is_empty())
                .is_some_and(|piece| self.write(piece)),
        }
    }
}
