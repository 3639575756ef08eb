//! The metric series that a case leaves.

use std::collections::BTreeMap;

use campanile_core::Outcome;

use super::ExchangeCase;
use crate::{
    client::{Protocol, RequestBody},
    server::LayerSetup,
};

impl ExchangeCase {
    /// Returns the series that one exchange of this case makes non-zero over a protocol, in the form of
    /// [`TestRecorder::nonzero_series`](crate::recorder::TestRecorder::nonzero_series), without those of the connection.
    #[must_use]
    pub fn series(&self, protocol: Protocol) -> BTreeMap<String, String> {
        let expected = &self.expected;
        // gRPC has names over HTTP/2 only.
        let rpc = expected.rpc.map(|(method, status)| match protocol {
            Protocol::Http1 => ("other", status),
            Protocol::Http2 => (method, status),
        });
        let method = match self.request.method_name() {
            "BREW" => "_OTHER",
            method => method,
        };
        let route = self.route(rpc.map(|(method, _)| method));
        let status = expected
            .status
            .map(|status| status.to_string())
            .unwrap_or_default();
        let labels = format!("http_request_method={method},http_route={route}");
        let labels_with_status =
            format!("http_request_method={method},http_response_status_code={status},http_route={route}");
        let outcome = expected.outcome;
        let mut series = BTreeMap::from([
            (
                format!("http_server_requests_total{{{labels_with_status},outcome={outcome}}}"),
                one(),
            ),
            (
                format!("http_server_response_duration_seconds{{{labels}}}"),
                one(),
            ),
        ]);
        if expected.status.is_some() {
            series.insert(
                format!("http_server_request_duration_seconds{{{labels_with_status}}}"),
                one(),
            );
            if let Some(bytes) = expected.bytes {
                series.insert(
                    format!("http_server_response_body_size_bytes{{{labels}}}"),
                    format!("1 of {bytes}"),
                );
            }
        }
        if let Some(bytes) = self.request_bytes() {
            series.insert(
                format!("http_server_request_body_size_bytes{{{labels}}}"),
                format!("1 of {bytes}"),
            );
        }
        if let Some((method, status)) = rpc {
            series.insert(
                format!("rpc_server_requests_total{{rpc_method={method},rpc_response_status_code={status}}}"),
                one(),
            );
        }
        if self.layers == LayerSetup::Full {
            series.insert("http_server_shed_requests_total{limit=main}".into(), one());
        }
        series
    }

    fn route(&self, rpc_method: Option<&str>) -> String {
        match (rpc_method, self.request.path()) {
            (Some("other"), _) => "other".into(),
            (Some(method), _) => format!("/{method}"),
            (None, "/unknown") => "other".into(),
            (None, path) => path.into(),
        }
    }

    /// Returns whether the case does not determine a series.
    #[must_use]
    pub fn ignores(&self, series: &str) -> bool {
        let sizes = "http_server_response_body_size_bytes";
        series.contains("listener=") || self.expected.bytes.is_none() && series.starts_with(sizes)
    }

    /// Returns whether the server closes the HTTP/1 connection after the exchange.
    #[must_use]
    pub fn closes(&self, protocol: Protocol) -> bool {
        let shed = self.expected.outcome == Outcome::Shed;
        protocol == Protocol::Http1 && shed && *self.request.request_body() != RequestBody::Empty
    }

    /// The request size that the server knows before it reads the body.
    fn request_bytes(&self) -> Option<usize> {
        match self.request.request_body() {
            RequestBody::Empty => Some(0),
            RequestBody::Sized(body) => Some(body.len()),
            RequestBody::Streamed(_) => None,
        }
    }
}

fn one() -> String {
    "1".into()
}
