//! Answers as it is told to.

use axum::{
    extract::Path,
    http::{HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};

/// `GET /status/{code}`
pub(super) async fn status(Path(code): Path<u16>) -> Response {
    answer(code)
}

/// `GET /status/{code}/{view}`
pub(super) async fn status_and_view(Path((code, view)): Path<(u16, String)>) -> Response {
    let Ok(view) = HeaderValue::from_bytes(view.as_bytes()) else {
        return (StatusCode::BAD_REQUEST, "a header cannot have that view\n").into_response();
    };
    let mut answer = answer(code);
    answer.headers_mut().insert("x-view-name", view);
    answer
}

/// Answers with an empty body. What lies below 200 is no answer yet.
fn answer(code: u16) -> Response {
    match StatusCode::from_u16(code) {
        Ok(status) if code >= 200 => status.into_response(),
        _ => (StatusCode::BAD_REQUEST, "not the status of an answer\n").into_response(),
    }
}

/// `GET /boom`
pub(super) async fn boom() -> Response {
    panic!("boom");
}
