//! Answers with what was asked.

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

/// `GET /echo[?exact][&lower]`: the head of the request; each flag has the handler set an id of its own.
pub(super) async fn headers(
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    fields: HeaderMap,
) -> Response {
    let id = RequestContext::with_current(|context| context.map(|context| context.id().to_string()));
    tracing::info!(path = uri.path(), "echoed");
    let mut answer = Json(json!({
        "request_id": id,
        "headers": readable(&fields),
        "method": method.as_str(),
        "path": uri.path(),
    }))
    .into_response();
    let own = answer.headers_mut();
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
    answer
}

/// `POST /echo`: the body, as it comes.
pub(super) async fn body(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut answer = Response::new(Body::new(body));
    if let Some(kind) = head.headers.get(CONTENT_TYPE) {
        answer.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    answer
}

/// Shows headers as JSON: those that came several times joined by commas, bytes beyond ASCII as Latin-1.
fn readable(fields: &HeaderMap) -> Map<String, Value> {
    let text = |value: &HeaderValue| {
        value
            .as_bytes()
            .iter()
            .copied()
            .map(char::from)
            .collect::<String>()
    };
    let all = |name| {
        fields
            .get_all(name)
            .iter()
            .map(text)
            .collect::<Vec<_>>()
            .join(", ")
    };
    fields
        .keys()
        .map(|name| (name.to_string(), Value::String(all(name))))
        .collect()
}
