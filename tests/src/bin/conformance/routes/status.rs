//! Responses with a given status.

use axum::{
    extract::Path,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};

/// `GET /status/{code}`
pub(super) async fn status(Path(code): Path<u16>) -> Response {
    response(code)
}

/// `GET /status/{code}/{view}`
pub(super) async fn status_and_view(Path((code, view)): Path<(u16, String)>) -> Response {
    let Ok(view) = HeaderValue::from_bytes(view.as_bytes()) else {
        return (StatusCode::BAD_REQUEST, "not a valid header value\n").into_response();
    };
    let mut response = response(code);
    response.headers_mut().insert("x-view-name", view);
    response
}

/// Makes an empty response. Informational statuses are rejected.
fn response(code: u16) -> Response {
    match StatusCode::from_u16(code) {
        Ok(status) if code >= 200 => status.into_response(),
        _ => (StatusCode::BAD_REQUEST, "not a response status\n").into_response(),
    }
}

/// `GET /boom`
pub(super) async fn boom() -> Response {
    panic!("boom");
}
