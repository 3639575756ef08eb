//! A request over HTTP/1.1 or HTTP/2, without anything of campanile in between.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};

const PATIENCE: Duration = Duration::from_secs(20);

/// A whole answer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The protocol it came by.
    pub version: Version,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as text.
    pub text: String,
}

impl Answer {
    /// Returns a header as text, empty without one.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap_or("not text"))
    }
}

/// Gets a URL over HTTP/1.1, or over HTTP/2 with prior knowledge, on a connection of its own.
///
/// # Panics
///
/// When there is no whole answer within twenty seconds.
pub async fn get(version: Version, url: &str, headers: &[(&str, &str)]) -> Answer {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new())
        .http2_only(version == Version::HTTP_2)
        .build_http();
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Empty::new())
        .expect("a test's URL and headers are well formed");
    let whole = async {
        let answer = client.request(request).await;
        let (head, body) = answer
            .unwrap_or_else(|error| panic!("no answer of {url}: {error:?}"))
            .into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Answer {
            version: head.version,
            status: head.status,
            headers: head.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    };
    tokio::time::timeout(PATIENCE, whole)
        .await
        .unwrap_or_else(|_| panic!("no answer of {url} within {PATIENCE:?}"))
}
