//! The series that a row leaves behind.

use std::collections::BTreeMap;

use campanile_core::Outcome;

use super::{Protocol, Row};
use crate::{
    client::{Ask, AskBody},
    server::Arrangement,
};

impl Row {
    /// Returns every series that one exchange of this row makes other than zero, written as
    /// [`Tally::written`](crate::tally::Tally::written) does; of the connection nothing.
    #[must_use]
    pub fn series(&self) -> BTreeMap<String, String> {
        let expected = &self.expected;
        let method = match self.ask.method {
            "BREW" => "_OTHER",
            method => method,
        };
        let route = self.route();
        let status = expected
            .status
            .map(|status| status.to_string())
            .unwrap_or_default();
        let here = format!("http_request_method={method},http_route={route}");
        let there =
            format!("http_request_method={method},http_response_status_code={status},http_route={route}");
        let outcome = expected.outcome;
        let mut series = BTreeMap::from([
            (
                format!("http_server_requests_total{{{there},outcome={outcome}}}"),
                one(),
            ),
            (format!("http_server_response_duration_seconds{{{here}}}"), one()),
        ]);
        if expected.status.is_some() {
            series.insert(format!("http_server_request_duration_seconds{{{there}}}"), one());
            if let Some(bytes) = expected.bytes {
                series.insert(
                    format!("http_server_response_body_size_bytes{{{here}}}"),
                    format!("1 of {bytes}"),
                );
            }
        }
        if let Some(bytes) = asked_bytes(&self.ask) {
            series.insert(
                format!("http_server_request_body_size_bytes{{{here}}}"),
                format!("1 of {bytes}"),
            );
        }
        if let Some((method, status)) = expected.rpc {
            series.insert(
                format!("rpc_server_requests_total{{rpc_method={method},rpc_response_status_code={status}}}"),
                one(),
            );
        }
        if self.layers == Arrangement::Full {
            series.insert("http_server_shed_requests_total{limit=main}".into(), one());
        }
        series
    }

    fn route(&self) -> String {
        match (self.expected.rpc, self.ask.path) {
            (Some(("other", _)), _) => "other".into(),
            (Some((method, _)), _) => format!("/{method}"),
            (None, "/unknown") => "other".into(),
            (None, path) => path.into(),
        }
    }

    /// Tells whether this is a series that the row cannot know.
    #[must_use]
    pub fn overlooks(&self, series: &str) -> bool {
        let sizes = "http_server_response_body_size_bytes";
        series.contains("listener=") || self.expected.bytes.is_none() && series.starts_with(sizes)
    }

    /// Tells whether the server closes an HTTP/1 connection because the exchange ended so.
    #[must_use]
    pub fn closes(&self, protocol: Protocol) -> bool {
        let shed = self.expected.outcome == Outcome::Shed;
        protocol == Protocol::H1 && shed && self.ask.body != AskBody::None
    }
}

fn one() -> String {
    "1".into()
}

/// The size that the server knows in advance.
fn asked_bytes(ask: &Ask) -> Option<usize> {
    match ask.body {
        AskBody::None => Some(0),
        AskBody::Sized(body) => Some(body.len()),
        AskBody::Streamed(_) => None,
    }
}
