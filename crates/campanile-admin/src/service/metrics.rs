//! `/metrics`: rendered, and compressed on request, on a blocking thread.

use std::collections::VecDeque;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::{request_head, response};
use crate::body::Chunks;
use crate::config::{AdminConfig, Render};
use crate::exposition::BoxError;
use crate::{Body, Exposition};

/// Shorter texts are not compressed.
const MIN_COMPRESSED: usize = 1024;

/// The size of a compressed chunk.
const COMPRESSED_CHUNK: usize = 16 * 1024;

/// Metric names repeat: a higher level takes twice the time and saves few bytes.
const LEVEL: Compression = Compression::fast();

pub(super) async fn respond(config: &AdminConfig, headers: &HeaderMap) -> Response<Body> {
    let Some(render) = config.render.clone() else {
        return response::empty(StatusCode::NOT_FOUND);
    };
    let accept = request_head::joined(headers, &ACCEPT);
    let gzip = request_head::accepts_gzip(headers);
    let scrape = config
        .scrape_pool
        .run(move || Scrape::start(&*render, &accept, gzip));
    match scrape.await {
        Ok(Ok(Some(scrape))) => scrape.into_response(),
        Ok(Ok(None)) => response::text(StatusCode::NOT_FOUND, "the recorder has no text\n"),
        // A gap is less misleading than sums that are too small.
        Ok(Err(error)) => response::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        Err(error) => response::callback_error("metrics", error),
    }
}

/// A response whose first chunks are rendered.
struct Scrape {
    content_type: &'static str,
    compressed: bool,
    first: VecDeque<Bytes>,
    rest: Option<Chunks>,
}

impl Scrape {
    fn start(render: &Render, accept: &str, gzip: bool) -> Result<Option<Self>, BoxError> {
        let Some(Exposition {
            content_type,
            mut chunks,
        }) = render(accept)?
        else {
            return Ok(None);
        };
        let first = chunks.next();
        let compressed = gzip && first.as_ref().is_some_and(|chunk| chunk.len() >= MIN_COMPRESSED);
        let all = first.into_iter().chain(chunks);
        let mut rest: Chunks = if compressed {
            Box::new(GzipChunks::new(all))
        } else {
            Box::new(all)
        };
        // Without a second chunk the text is complete, and its length is known.
        let first: VecDeque<Bytes> = rest.by_ref().take(2).collect();
        let rest = (first.len() == 2).then_some(rest);
        Ok(Some(Self {
            content_type,
            compressed,
            first,
            rest,
        }))
    }

    fn into_response(mut self) -> Response<Body> {
        let body = match self.rest {
            Some(rest) => Body::chunked(self.first, rest),
            None => Body::full(self.first.pop_front().unwrap_or_default()),
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

/// Compresses the chunks of another iterator.
struct GzipChunks<I> {
    chunks: I,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl<I> GzipChunks<I> {
    fn new(chunks: I) -> Self {
        Self {
            chunks,
            encoder: Some(GzEncoder::new(Vec::new(), LEVEL)),
        }
    }
}

impl<I: Iterator<Item = Bytes>> Iterator for GzipChunks<I> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let encoder = self.encoder.as_mut()?;
        for chunk in self.chunks.by_ref() {
            encoder.write_all(&chunk).expect("writing to a Vec does not fail");
            if encoder.get_ref().len() >= COMPRESSED_CHUNK {
                return Some(std::mem::take(encoder.get_mut()).into());
            }
        }
        let rest = self
            .encoder
            .take()?
            .finish()
            .expect("writing to a Vec does not fail");
        Some(rest.into())
    }
}
