//! `/metrics`: rendered, and compressed on request, on the thread of its callback.
//!
//! The text of unfinished responses is shared with the requests that come within a second, and their number is limited: slow
//! clients cost memory for a few texts at most.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tokio::sync::Semaphore;

use super::{request_head, response};
use crate::body::{Chunks, SharedText};
use crate::config::{AdminConfig, Render};
use crate::exposition::BoxError;
use crate::{Body, Exposition};

/// The most unfinished responses. Scrapers are few, and each may hold a text of its own.
const MAX_RESPONSES: usize = 8;

/// How long the text of an unfinished response is shared with further requests.
const SHARE_TIME: Duration = Duration::from_secs(1);

/// Longer texts are streamed, each response from a snapshot of its own.
const MAX_SHARED: usize = 16 * 1024 * 1024;

/// Shorter texts are not compressed.
const MIN_COMPRESSED: usize = 1024;

/// The size of a compressed chunk.
const COMPRESSED_CHUNK: usize = 16 * 1024;

/// Metric names repeat: a higher level takes twice the time and saves few bytes.
const LEVEL: Compression = Compression::fast();

/// The unfinished responses of `/metrics`.
pub(crate) struct Scrapes {
    slots: Arc<Semaphore>,
    texts: Mutex<Vec<RecentText>>,
}

struct RecentText {
    accept: String,
    text: Weak<ScrapedText>,
}

/// A complete text, with its compressed form if a client accepted that.
struct ScrapedText {
    content_type: &'static str,
    rendered: Instant,
    plain: Arc<[Bytes]>,
    compressed: OnceLock<Arc<[Bytes]>>,
}

enum Scrape {
    Shared(Arc<ScrapedText>),
    Streamed {
        content_type: &'static str,
        compressed: bool,
        first: VecDeque<Bytes>,
        rest: Chunks,
    },
}

pub(super) async fn respond(config: &AdminConfig, headers: &HeaderMap) -> Response<Body> {
    let Some(render) = config.render.clone() else {
        return response::empty(StatusCode::NOT_FOUND);
    };
    let Ok(slot) = Arc::clone(&config.scrapes.slots).try_acquire_owned() else {
        let reason = format!("{MAX_RESPONSES} responses of this endpoint are unfinished\n");
        let mut response = response::text(StatusCode::SERVICE_UNAVAILABLE, reason);
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return response;
    };
    let accept = request_head::joined(headers, &ACCEPT);
    let gzip = request_head::accepts_gzip(headers);
    let scrapes = Arc::clone(&config.scrapes);
    let arrived = Instant::now();
    let thread = &config.threads.metrics;
    let scrape = thread.run(config.callback_timeout, move || {
        scrapes.find_or_render(&*render, accept, gzip, arrived)
    });
    let response = match scrape.await {
        Ok(Ok(Some(Scrape::Shared(text)))) => text.respond(gzip),
        Ok(Ok(Some(Scrape::Streamed {
            content_type,
            compressed,
            first,
            rest,
        }))) => {
            let body = Body::chunked(first, rest, thread.clone(), config.callback_timeout);
            respond_with(content_type, compressed, body)
        }
        Ok(Ok(None)) => response::text(StatusCode::NOT_FOUND, "the recorder has no text\n"),
        // A gap is less misleading than sums that are too small.
        Ok(Err(error)) => response::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        Err(error) => response::callback_error("metrics", &error),
    };
    response.map(|body| body.with_guard(slot))
}

impl Scrapes {
    /// Returns the text of an unfinished response that is recent enough, or renders one. Runs on the thread of the callback,
    /// which is one: requests that wait for it share what the one before them has rendered.
    fn find_or_render(
        &self,
        render: &Render,
        accept: String,
        gzip: bool,
        arrived: Instant,
    ) -> Result<Option<Scrape>, BoxError> {
        let text = match self.find(&accept, arrived) {
            Some(text) => text,
            None => {
                let rendered = Instant::now();
                let Some(Exposition {
                    content_type,
                    mut chunks,
                }) = render(&accept)?
                else {
                    return Ok(None);
                };
                let (mut first, mut length) = (Vec::new(), 0);
                for chunk in chunks.by_ref() {
                    length += chunk.len();
                    first.push(chunk);
                    if length > MAX_SHARED {
                        return Ok(Some(Scrape::stream(content_type, gzip, first, chunks)));
                    }
                }
                let text = Arc::new(ScrapedText {
                    content_type,
                    rendered,
                    plain: first.into(),
                    compressed: OnceLock::new(),
                });
                self.texts().push(RecentText {
                    accept,
                    text: Arc::downgrade(&text),
                });
                text
            }
        };
        if gzip && text.is_compressible() {
            let compress = || GzipChunks::new(text.plain.iter().cloned()).collect();
            text.compressed.get_or_init(compress);
        }
        Ok(Some(Scrape::Shared(text)))
    }

    fn find(&self, accept: &str, arrived: Instant) -> Option<Arc<ScrapedText>> {
        let mut texts = self.texts();
        texts.retain(|recent| recent.text.strong_count() > 0);
        let mut recent = texts.iter().filter(|recent| recent.accept == accept);
        recent.find_map(|recent| {
            let text = recent.text.upgrade()?;
            (text.rendered >= arrived || text.rendered.elapsed() < SHARE_TIME).then_some(text)
        })
    }

    fn texts(&self) -> std::sync::MutexGuard<'_, Vec<RecentText>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Scrapes {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(MAX_RESPONSES)),
            texts: Mutex::default(),
        }
    }
}

impl ScrapedText {
    fn is_compressible(&self) -> bool {
        self.plain.iter().map(Bytes::len).sum::<usize>() >= MIN_COMPRESSED
    }

    fn respond(self: Arc<Self>, gzip: bool) -> Response<Body> {
        let compressed = self.compressed.get().filter(|_| gzip).cloned();
        let (content_type, is_compressed) = (self.content_type, compressed.is_some());
        let chunks = compressed.unwrap_or_else(|| Arc::clone(&self.plain));
        respond_with(
            content_type,
            is_compressed,
            Body::shared(SharedText::new(chunks)).with_guard(self),
        )
    }
}

impl Scrape {
    fn stream(content_type: &'static str, gzip: bool, first: Vec<Bytes>, rest: Chunks) -> Self {
        let (first, rest): (_, Chunks) = if gzip {
            (
                VecDeque::new(),
                Box::new(GzipChunks::new(first.into_iter().chain(rest))),
            )
        } else {
            (first.into(), rest)
        };
        Self::Streamed {
            content_type,
            compressed: gzip,
            first,
            rest,
        }
    }
}

fn respond_with(content_type: &'static str, compressed: bool, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
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
