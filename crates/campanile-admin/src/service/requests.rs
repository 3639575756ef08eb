//! `/requests`: JSON for programs, an HTML table for browsers.

use std::sync::Arc;

use http::header::{CONTENT_SECURITY_POLICY, VARY};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::request_head::{prefers_html, query_value};
use super::response;
use crate::config::AdminConfig;
use crate::request_row::RequestSelection;
use crate::{Body, RequestRow};

/// The most rows of a response. `total` counts all of them.
const MAX_ROWS: usize = 10_000;

pub(super) async fn respond(config: &Arc<AdminConfig>, parts: &Parts) -> Response<Body> {
    let id_part = query_value(&parts.uri, "id").unwrap_or_default().into_owned();
    let limit = match query_value(&parts.uri, "limit").map(|limit| limit.parse()) {
        None => MAX_ROWS,
        Some(Ok(limit)) => MAX_ROWS.min(limit),
        Some(Err(_)) => return response::text(StatusCode::BAD_REQUEST, "limit must be a number\n"),
    };
    let html = prefers_html(&parts.headers);
    let callback = config.requests.clone();
    // Formatting tens of thousands of rows blocks as well.
    let rendered = config.threads.requests.run(config.callback_timeout, move || {
        let rows = callback.map(|requests| requests()).unwrap_or_default();
        let selection = RequestSelection::new(rows, &id_part, limit);
        if html {
            let mut response = response::html(html_table(&selection));
            response.headers_mut().insert(
                CONTENT_SECURITY_POLICY,
                HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
            );
            response
        } else {
            let mut value = selection.to_json();
            value["pid"] = json!(std::process::id());
            response::json(StatusCode::OK, &value)
        }
    });
    let rendered = rendered.await;
    let mut response = rendered.unwrap_or_else(|error| response::callback_error("requests", &error));
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("accept"));
    response
}

fn html_table(selection: &RequestSelection) -> String {
    let RequestSelection { total, rows } = selection;
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Requests in flight</title></head>\n\
         <body>\n<h1>Requests in flight</h1>\n<p>{total} in process {}, {} shown, oldest first.</p>\n<table>\n<tr>",
        std::process::id(),
        rows.len(),
    );
    for column in RequestRow::COLUMNS {
        html.push_str("<th scope=\"col\">");
        html.push_str(column);
    }
    html.push_str("</tr>\n");
    for row in rows {
        html.push_str("<tr>");
        for cell in row.cells() {
            html.push_str("<td>");
            push_escaped(&mut html, &cell);
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table>\n</body>\n</html>\n");
    html
}

fn push_escaped(html: &mut String, text: &str) {
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
