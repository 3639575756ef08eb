//! The ways in which an exchange ends: what the client does, and what has to be counted.

mod drive;
mod expect;
mod rows;

use campanile_core::Outcome;

pub use self::{
    drive::{Connection, Left, Protocol, drive},
    rows::rows,
};
use crate::{client::Ask, server::Arrangement};

/// One way.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What it is called when it fails.
    pub name: &'static str,
    /// The layers.
    pub layers: Arrangement,
    /// The request.
    pub ask: Ask,
    /// What the client does.
    pub client: Client,
    /// What is to be counted.
    pub expected: Expected,
    /// The only protocol that has it.
    pub only: Option<Protocol>,
}

/// What the client does with its exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Reads the whole answer.
    Reads,
    /// Reads the head, and then a body that breaks.
    ReadsBroken,
    /// Waits for an answer that does not come.
    GetsNothing,
    /// Waits until the handler runs, and resets the stream or closes the connection.
    LeavesBeforeHead,
    /// Waits until the handler runs, and cuts the connection.
    CutsBeforeHead,
    /// Reads the head and `hello`, and resets the stream or closes the connection.
    LeavesInBody,
    /// Reads the head and `hello`, and cuts the connection.
    CutsInBody,
    /// Says that nothing more will come, and waits for an answer.
    HalfCloses,
    /// Upgrades, is echoed, and closes.
    Upgrades,
}

impl Client {
    /// Tells whether the client has to know when the handler runs.
    fn watches(self) -> bool {
        matches!(
            self,
            Self::LeavesBeforeHead | Self::CutsBeforeHead | Self::HalfCloses
        )
    }
}

/// What is to be counted.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The head's status.
    pub status: Option<u16>,
    /// The outcome.
    pub outcome: Outcome,
    /// The bytes of the answer's body; nothing where nobody can tell how many got through.
    pub bytes: Option<u64>,
    /// The gRPC method and status.
    pub rpc: Option<(&'static str, &'static str)>,
}

impl Row {
    /// Makes a row of `stack()` whose client reads all of a good answer.
    #[must_use]
    pub const fn new(name: &'static str, ask: Ask, status: u16, bytes: u64) -> Self {
        Self {
            name,
            layers: Arrangement::Stack,
            ask,
            client: Client::Reads,
            expected: Expected {
                status: Some(status),
                outcome: Outcome::Completed,
                bytes: Some(bytes),
                rpc: None,
            },
            only: None,
        }
    }

    /// The same under other layers.
    #[must_use]
    pub const fn under(mut self, layers: Arrangement) -> Self {
        self.layers = layers;
        self
    }

    /// The same with another client and outcome.
    #[must_use]
    pub const fn but(mut self, client: Client, outcome: Outcome) -> Self {
        self.client = client;
        self.expected.outcome = outcome;
        self
    }

    /// The same without a head.
    #[must_use]
    pub const fn headless(mut self) -> Self {
        self.expected.status = None;
        self
    }

    /// The same with a body of any size.
    #[must_use]
    pub const fn of_any_size(mut self) -> Self {
        self.expected.bytes = None;
        self
    }

    /// The same with a gRPC status.
    #[must_use]
    pub const fn with_rpc(mut self, method: &'static str, status: &'static str) -> Self {
        self.expected.rpc = Some((method, status));
        self
    }

    /// The same, in one protocol only.
    #[must_use]
    pub const fn only(mut self, protocol: Protocol) -> Self {
        self.only = Some(protocol);
        self
    }

    /// Tells whether the protocol has it.
    #[must_use]
    pub fn is_of(&self, protocol: Protocol) -> bool {
        self.only.is_none_or(|only| only == protocol)
    }
}
