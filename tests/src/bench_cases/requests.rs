//! The requests of the bench cases.

use bytes::Bytes;
use campanile_core::headers::X_REQUEST_ID;
use http::{
    HeaderValue, Request,
    header::{ACCEPT, HOST, USER_AGENT},
};
use http_body_util::Empty;

fn request(path: &'static str) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = http::Uri::from_static(path);
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("example.test"));
    headers.insert(USER_AGENT, HeaderValue::from_static("bench"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    request
}

fn with_id(mut request: Request<Empty<Bytes>>) -> Request<Empty<Bytes>> {
    let id = HeaderValue::from_static("0b6b9e2c-6d5e-4b13-9a44-6a0c53b4bd40");
    request.headers_mut().insert(X_REQUEST_ID, id);
    request
}

pub(super) fn plain() -> Request<Empty<Bytes>> {
    request("/users/7")
}

pub(super) fn identified() -> Request<Empty<Bytes>> {
    with_id(plain())
}

/// A call to another service.
pub(super) fn outgoing() -> Request<Empty<Bytes>> {
    request("http://stock.internal/items/7")
}
