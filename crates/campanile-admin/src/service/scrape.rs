//! `/metrics`: rendered, and compressed where that is wanted, in a thread that may block.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::{accept, answer, gzip};
use crate::body::Pieces;
use crate::exposition::BoxError;
use crate::settings::{Render, Settings};
use crate::{Body, Exposition};

/// What is shorter gains nothing.
const WORTH_COMPRESSING: usize = 1024;

pub(super) async fn answer(settings: &Settings, headers: &HeaderMap) -> Response<Body> {
    let Some(render) = settings.render.clone() else {
        return answer::empty(StatusCode::NOT_FOUND);
    };
    let wanted = accept::joined(headers, &ACCEPT);
    let takes_gzip = accept::takes_gzip(headers);
    let begun = settings
        .scrapes
        .run(move || begin(&render, &wanted, takes_gzip))
        .await;
    match begun {
        Ok(Ok(Some(scrape))) => scrape.into_response(),
        Ok(Ok(None)) => answer::text(StatusCode::NOT_FOUND, "the recorder has no text\n"),
        // A scrape that is missing misleads nobody.
        Ok(Err(error)) => answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        Err(failure) => answer::failure(failure, "metrics"),
    }
}

/// An answer whose beginning is made.
struct Scrape {
    content_type: &'static str,
    compressed: bool,
    first: VecDeque<Bytes>,
    rest: Option<Pieces>,
}

fn begin(render: &Arc<Render>, wanted: &str, takes_gzip: bool) -> Result<Option<Scrape>, BoxError> {
    let Some(Exposition {
        content_type,
        mut pieces,
    }) = render(wanted)?
    else {
        return Ok(None);
    };
    let first: Vec<Bytes> = pieces.by_ref().take(1).collect();
    let compressed = takes_gzip && first.iter().any(|piece| piece.len() >= WORTH_COMPRESSING);
    let all = first.into_iter().chain(pieces);
    let mut rest: Pieces = if compressed {
        Box::new(gzip::Compressed::new(all))
    } else {
        Box::new(all)
    };
    // Two, to know an answer that is whole, whose length can be told.
    let first: VecDeque<Bytes> = rest.by_ref().take(2).collect();
    let rest = (first.len() == 2).then_some(rest);
    Ok(Some(Scrape {
        content_type,
        compressed,
        first,
        rest,
    }))
}

impl Scrape {
    fn into_response(mut self) -> Response<Body> {
        let body = match self.rest {
            Some(rest) => Body::pieces(self.first, rest),
            None => Body::whole(self.first.pop_front().unwrap_or_default()),
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
        if let Ok(content_type) = HeaderValue::from_str(self.content_type) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        if self.compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}
