//! A plain HTTP client, without campanile.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

const TIMEOUT: Duration = Duration::from_secs(20);

/// A response with its complete body.
#[derive(Debug)]
#[non_exhaustive]
pub struct FullResponse {
    /// The protocol version.
    pub version: Version,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl FullResponse {
    /// Returns a header as text, or an empty string without it.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap_or("not text"))
    }
}

/// Sends a GET request over a new connection: HTTP/1.1, or HTTP/2 with prior knowledge.
///
/// # Panics
///
/// Panics without a complete response within twenty seconds.
pub async fn get(version: Version, url: &str, headers: &[(&str, &str)]) -> FullResponse {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new())
        .http2_only(version == Version::HTTP_2)
        .build_http();
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::new()).expect("URL and headers are valid");
    let fetched = async {
        let response = client.request(request).await;
        let (head, body) = response
            .unwrap_or_else(|error| panic!("request to {url} failed: {error:?}"))
            .into_parts();
        let body = body.collect().await.expect("body is complete").to_bytes();
        FullResponse {
            version: head.version,
            status: head.status,
            headers: head.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    };
    tokio::time::timeout(TIMEOUT, fetched)
        .await
        .unwrap_or_else(|_| panic!("no response from {url} within {TIMEOUT:?}"))
}
