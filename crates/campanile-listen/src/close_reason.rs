//! How a connection ended.

/// How a connection ended: the label `close` of `http_server_connections_total`.
///
/// The reasons are ordered by severity, and the most severe one is recorded: a draining connection that its client resets
/// ends with [`Error`](Self::Error).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// Either side closed it, and nothing failed.
    #[default]
    Done,
    /// It was closed because the server is draining.
    Drained,
    /// A read or a write failed, for example because the client reset the connection.
    Error,
    /// The server aborted it.
    Cut,
}

impl CloseReason {
    pub(crate) const ALL: [Self; 4] = [Self::Done, Self::Drained, Self::Error, Self::Cut];

    /// Returns the label value: `done`, `drained`, `error` or `cut`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Drained => "drained",
            Self::Error => "error",
            Self::Cut => "cut",
        }
    }
}
