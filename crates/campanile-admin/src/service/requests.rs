//! `/requests`: JSON for programs, a table for browsers.

use std::sync::Arc;

use http::header::{CONTENT_SECURITY_POLICY, VARY};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::{accept, answer, query};
use crate::Body;
use crate::request::{COLUMNS, Selection};
use crate::settings::Settings;

pub(super) async fn answer(settings: &Arc<Settings>, parts: &Parts) -> Response<Body> {
    let part = query::value(parts.uri.query(), "id")
        .unwrap_or_default()
        .into_owned();
    let limit = match query::value(parts.uri.query(), "limit").map(|limit| limit.parse()) {
        None => usize::MAX,
        Some(Ok(limit)) => limit,
        Some(Err(_)) => return answer::text(StatusCode::BAD_REQUEST, "limit is a number of requests\n"),
    };
    let html = accept::wants_html(&parts.headers);
    let owned = Arc::clone(settings);
    // Tens of thousands of rows take their time.
    let made = settings.tables.run(move || {
        let requests = owned.requests.as_ref().map(|requests| requests());
        let selection = Selection::new(requests.unwrap_or_default(), &part, limit);
        if html {
            let mut response = answer::whole(StatusCode::OK, answer::HTML, table(&selection));
            response.headers_mut().insert(
                CONTENT_SECURITY_POLICY,
                HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
            );
            response
        } else {
            let mut value = selection.to_json();
            value["pid"] = json!(std::process::id());
            answer::json(StatusCode::OK, &value)
        }
    });
    let failed = |failure| answer::failure(failure, "requests");
    let mut response = made.await.unwrap_or_else(failed);
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("accept"));
    response
}

fn table(selection: &Selection) -> String {
    let Selection { total, requests } = selection;
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Requests in flight</title></head>\n\
         <body>\n<h1>Requests in flight</h1>\n<p>{total} in process {}, {} shown, the oldest first.</p>\n<table>\n<tr>",
        std::process::id(),
        requests.len(),
    );
    for column in COLUMNS {
        html.push_str("<th scope=\"col\">");
        html.push_str(column);
    }
    html.push_str("</tr>\n");
    for request in requests {
        html.push_str("<tr>");
        for cell in request.cells() {
            html.push_str("<td>");
            escape(&cell, &mut html);
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>\n</body>\n</html>\n");
    html
}

fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(character),
        }
    }
}
