//! Detects upgrades from HTTP/1 in the bytes of a connection.
//!
//! An upgrade needs two observations. First, a write that begins with the status line of a switch: `HTTP/1.1 101`, or
//! `HTTP/1.1 2xx` after a read that began with `CONNECT`. hyper flushes every head before it reads on, so a head begins
//! its write. Second, a read or a write by another task than the one that wrote the head: after the switch hyper hands
//! the IO to the handler's task. The status line alone can be forged, since a chunk of a streamed body may begin with the
//! same bytes and the client of an echo chooses them; a connection that continues with HTTP never changes its task.
//!
//! The cost is a comparison of a few bytes per write, until the first write shows that the connection is not plain HTTP/1
//! (HTTP/2, or TLS below), or until the upgrade.

use std::io::IoSlice;

use tokio::task;

#[derive(Debug)]
pub(crate) struct UpgradeDetector(Stage);

#[derive(Debug)]
enum Stage {
    /// Nothing was written yet.
    Fresh { connect: bool },
    /// HTTP/1 was written; `connect` if the last request seen is a `CONNECT`.
    Http { connect: bool },
    /// The head of a switch was written by this task.
    Switching { by: task::Id },
    /// Upgraded, or not plain HTTP/1.
    Settled,
}

impl UpgradeDetector {
    pub(crate) fn new() -> Self {
        Self(Stage::Fresh { connect: false })
    }

    /// Observes the start of a read or a write. Returns true once, when that proves the upgrade.
    #[inline]
    pub(crate) fn on_use(&mut self) -> bool {
        let Stage::Switching { by } = self.0 else {
            return false;
        };
        if task::try_id() == Some(by) {
            return false;
        }
        self.0 = Stage::Settled;
        true
    }

    /// Observes the bytes of a read.
    #[inline]
    pub(crate) fn on_read(&mut self, bytes: &[u8]) {
        if let Stage::Fresh { connect } | Stage::Http { connect } = &mut self.0
            && bytes.starts_with(b"CONNECT ")
        {
            *connect = true;
        }
    }

    /// Observes the bytes offered to a write. Returns true if they prove the upgrade by themselves, because there is no
    /// current task to compare with.
    #[inline]
    pub(crate) fn on_write(&mut self, bytes: &[u8]) -> bool {
        let (first, connect) = match self.0 {
            Stage::Settled => return false,
            Stage::Fresh { connect } => (true, connect),
            Stage::Http { connect } => (false, connect),
            Stage::Switching { .. } => (false, false),
        };
        let Some(status) = bytes.strip_prefix(b"HTTP/1.") else {
            if first && !bytes.is_empty() {
                self.0 = Stage::Settled;
            }
            return false;
        };
        if !(status.starts_with(b"1 101") || connect && status.starts_with(b"1 2")) {
            // 100 and 103 are not the final response.
            self.0 = Stage::Http {
                connect: connect && status.starts_with(b"1 1"),
            };
            return false;
        }
        match task::try_id() {
            Some(by) => {
                self.0 = Stage::Switching { by };
                false
            }
            None => {
                self.0 = Stage::Settled;
                true
            }
        }
    }

    /// Calls [`on_write`](Self::on_write) with the first non-empty buffer.
    #[inline]
    pub(crate) fn on_write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> bool {
        match self.0 {
            Stage::Settled => false,
            _ => bufs
                .iter()
                .find(|buf| !buf.is_empty())
                .is_some_and(|buf| self.on_write(buf)),
        }
    }
}
