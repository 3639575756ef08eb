//! How answers are made.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use http_body::Body as _;
use serde_json::Value;

use crate::Body;
use crate::lane::Failure;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    whole(status, TEXT, text)
}

pub(super) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    whole(
        status,
        HeaderValue::from_static("application/json"),
        format!("{value}\n"),
    )
}

pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

pub(super) fn whole(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Says that the caller's closure for `what` came to nothing.
pub(super) fn failure(failure: Failure, what: &str) -> Response<Body> {
    match failure {
        Failure::Panicked => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("what tells the {what} has panicked\n"),
        ),
        Failure::TooLong => text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the {what} take too long\n"),
        ),
    }
}

/// Says what holds for every answer: that it is of this moment, what it is, and that pages of others may not embed it.
pub(super) fn finish(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderValue::from_static("same-origin"),
    );
}

/// Has the client ask anew over another connection. HTTP/2 has no such header.
pub(super) fn close(response: &mut Response<Body>, version: Version) {
    if version <= Version::HTTP_11 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}

/// Takes the body away if only the head was asked for, which goes on telling how long the body would be.
pub(super) fn cut_to_head(response: &mut Response<Body>, method: &Method) {
    if *method != Method::HEAD {
        return;
    }
    let body = std::mem::replace(response.body_mut(), Body::whole(Bytes::new()));
    if let Some(length) = body.size_hint().exact() {
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}
