//! Echoes the request.

use std::collections::HashMap;

use axum::{
    Json,
    body::Body,
    extract::{Query, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use campanile_core::RequestContext;
use serde_json::{Map, Value, json};

/// `GET /echo[?exact][&lower]`: the head of the request; each flag makes the handler set a request ID of its own.
pub(super) async fn head(
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let id = RequestContext::with_current(|context| context.map(|context| context.id().to_string()));
    tracing::info!(path = uri.path(), "echoed");
    let mut response = Json(json!({
        "request_id": id,
        "headers": headers_as_json(&headers),
        "method": method.as_str(),
        "path": uri.path(),
    }))
    .into_response();
    let own = response.headers_mut();
    own.insert("x-view-name", HeaderValue::from_static("echo.view"));
    for (flag, name, id) in [
        ("exact", "X-Request-Id", "from-app"),
        ("lower", "x-request-id", "from-app-lower"),
    ] {
        if query.contains_key(flag)
            && let Ok(name) = HeaderName::try_from(name)
        {
            own.append(name, HeaderValue::from_static(id));
        }
    }
    response
}

/// `POST /echo`: the request body.
pub(super) async fn body(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut response = Response::new(Body::new(body));
    if let Some(kind) = head.headers.get(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    response
}

/// Formats headers as JSON: repeated headers joined by commas, bytes beyond ASCII as Latin-1.
fn headers_as_json(headers: &HeaderMap) -> Map<String, Value> {
    let text = |value: &HeaderValue| {
        value
            .as_bytes()
            .iter()
            .copied()
            .map(char::from)
            .collect::<String>()
    };
    let all = |name| {
        headers
            .get_all(name)
            .iter()
            .map(text)
            .collect::<Vec<_>>()
            .join(", ")
    };
    headers
        .keys()
        .map(|name| (name.to_string(), Value::String(all(name))))
        .collect()
}
