//! Response constructors and the headers of all responses.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use http_body::Body as _;
use serde_json::Value;

use crate::Body;
use crate::closure_thread::ClosureError;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    full(status, TEXT, text)
}

pub(super) fn html(text: String) -> Response<Body> {
    full(StatusCode::OK, HTML, text)
}

pub(super) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    full(status, JSON, format!("{value}\n"))
}

pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn full(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Responds for a callback that returned no value.
pub(super) fn callback_error(name: &str, error: &ClosureError) -> Response<Body> {
    let status = match error {
        ClosureError::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        ClosureError::TimedOut(_) | ClosureError::StillRunning(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    text(status, format!("{name} {error}\n"))
}

/// Adds the headers of every response: it must not be cached, sniffed or embedded by other sites.
pub(super) fn add_common_headers(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        CROSS_ORIGIN_OPENER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
}

/// Closes the connection after the response. HTTP/2 has no such header.
pub(super) fn close_connection(response: &mut Response<Body>, version: Version) {
    if version <= Version::HTTP_11 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}

/// Drops the body of a response to HEAD. Its length, if it is known, stays as `Content-Length`.
pub(super) fn drop_body_of_head(response: &mut Response<Body>, method: &Method) {
    if *method != Method::HEAD {
        return;
    }
    let body = std::mem::replace(response.body_mut(), Body::omitted());
    if let Some(length) = body.size_hint().exact() {
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}
