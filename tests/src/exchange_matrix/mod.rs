//! The matrix of exchanges: every way an exchange can end, and the metrics that it leaves.

mod cases;
mod expected_series;
mod run;

use campanile_core::Outcome;

pub use self::{
    cases::all_cases,
    run::{ClientConnection, ClientResult, run_case},
};
use crate::{
    client::{Protocol, TestRequest},
    server::LayerSetup,
};

/// One way an exchange can end.
#[derive(Debug, Clone)]
pub struct ExchangeCase {
    /// The name in failure messages.
    pub name: &'static str,
    /// The layers of the server.
    pub layers: LayerSetup,
    /// The request.
    pub request: TestRequest,
    /// The behaviour of the client.
    pub client: ClientBehavior,
    /// The expected metrics.
    pub expected: ExpectedExchange,
    /// The only protocol in which the case exists.
    pub protocol: Option<Protocol>,
}

/// How the client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientBehavior {
    /// Reads the whole response.
    Reads,
    /// Reads the response head, and a body that fails.
    ReadsBrokenBody,
    /// Waits for a response; the connection or stream ends without one.
    GetsNoResponse,
    /// Waits until the handler runs, then resets the stream or closes the connection.
    LeavesBeforeResponse,
    /// Waits until the handler runs, then aborts the connection.
    AbortsBeforeResponse,
    /// Reads the response head and `hello`, then resets the stream or closes the connection.
    LeavesInBody,
    /// Reads the response head and `hello`, then aborts the connection.
    AbortsInBody,
    /// Closes its sending half, and waits for a response.
    HalfCloses,
    /// Upgrades, exchanges a message, and closes.
    Upgrades,
}

impl ClientBehavior {
    /// Returns whether the client waits for the handler to run.
    fn needs_gate(self) -> bool {
        matches!(
            self,
            Self::LeavesBeforeResponse | Self::AbortsBeforeResponse | Self::HalfCloses
        )
    }
}

/// The expected metrics of an exchange.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedExchange {
    /// The status, if there is a response.
    pub status: Option<u16>,
    /// The outcome.
    pub outcome: Outcome,
    /// The size of the response body in bytes; `None` if it varies.
    pub bytes: Option<u64>,
    /// The gRPC method and status.
    pub rpc: Option<(&'static str, &'static str)>,
}

impl ExchangeCase {
    /// Makes a case under `stack()` whose client reads a whole response.
    #[must_use]
    pub fn new(name: &'static str, request: TestRequest, status: u16, bytes: u64) -> Self {
        Self {
            name,
            layers: LayerSetup::Stack,
            request,
            client: ClientBehavior::Reads,
            expected: ExpectedExchange {
                status: Some(status),
                outcome: Outcome::Completed,
                bytes: Some(bytes),
                rpc: None,
            },
            protocol: None,
        }
    }

    /// Sets the layers.
    #[must_use]
    pub fn with_layers(mut self, layers: LayerSetup) -> Self {
        self.layers = layers;
        self
    }

    /// Sets the behaviour of the client, and the expected outcome.
    #[must_use]
    pub fn with_client(mut self, client: ClientBehavior, outcome: Outcome) -> Self {
        self.client = client;
        self.expected.outcome = outcome;
        self
    }

    /// Expects no response.
    #[must_use]
    pub fn without_response(mut self) -> Self {
        self.expected.status = None;
        self
    }

    /// Expects a response body of any size.
    #[must_use]
    pub fn with_any_body_size(mut self) -> Self {
        self.expected.bytes = None;
        self
    }

    /// Expects a gRPC method and status.
    #[must_use]
    pub fn with_rpc(mut self, method: &'static str, status: &'static str) -> Self {
        self.expected.rpc = Some((method, status));
        self
    }

    /// Restricts the case to one protocol.
    #[must_use]
    pub fn only_over(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Returns whether the case exists in a protocol.
    #[must_use]
    pub fn supports(&self, protocol: Protocol) -> bool {
        self.protocol.is_none_or(|only| only == protocol)
    }
}
