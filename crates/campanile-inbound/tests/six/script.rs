//! An inner service that goes by a script.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tower::Service;

/// What the service does with a request.
#[derive(Clone, Copy)]
pub(crate) enum Does {
    Answer,
    AnswerExactly,
    Fail,
    Hang,
}

/// The service. Its futures and bodies hold on to [`Inner::held`].
#[derive(Clone)]
pub(crate) struct Inner {
    does: Does,
    held: Arc<()>,
    readiness: Readiness,
}

/// What `poll_ready` says; nothing for not ready.
#[derive(Clone)]
pub(crate) struct Readiness(Arc<Mutex<Option<Result<(), String>>>>);

impl Readiness {
    pub(crate) fn set(&self, readiness: Option<Result<(), String>>) {
        *self.0.lock().unwrap() = readiness;
    }
}

impl Inner {
    pub(crate) fn new(does: Does) -> Self {
        Self {
            does,
            held: Arc::default(),
            readiness: Readiness(Arc::new(Mutex::new(Some(Ok(()))))),
        }
    }

    pub(crate) fn held(&self) -> Arc<()> {
        Arc::clone(&self.held)
    }

    pub(crate) fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }
}

impl<B> Service<Request<B>> for Inner {
    type Response = Response<Script>;
    type Error = String;
    type Future = Answering;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        match &*self.readiness.0.lock().unwrap() {
            Some(ready) => Poll::Ready(ready.clone()),
            None => Poll::Pending,
        }
    }

    fn call(&mut self, _request: Request<B>) -> Answering {
        Answering {
            does: self.does,
            held: Arc::clone(&self.held),
        }
    }
}

pub(crate) struct Answering {
    does: Does,
    held: Arc<()>,
}

impl Future for Answering {
    type Output = Result<Response<Script>, String>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        let body = match self.does {
            Does::Answer => Script::streamed(&self.held),
            Does::AnswerExactly => Script::new("exact", Some(5), &self.held),
            Does::Fail => return Poll::Ready(Err("failed".to_owned())),
            Does::Hang => return Poll::Pending,
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = StatusCode::ACCEPTED;
        answer
            .headers_mut()
            .insert("x-from", HeaderValue::from_static("inner"));
        Poll::Ready(Ok(answer))
    }
}

/// A body that goes by a script.
#[derive(Default)]
pub(crate) struct Script {
    data: VecDeque<&'static str>,
    trailers: Option<HeaderMap>,
    exact: Option<u64>,
    _held: Arc<()>,
}

impl Script {
    pub(crate) fn new(text: &'static str, exact: Option<u64>, held: &Arc<()>) -> Self {
        Self {
            data: VecDeque::from([text]),
            trailers: None,
            exact,
            _held: Arc::clone(held),
        }
    }

    fn streamed(held: &Arc<()>) -> Self {
        Self {
            data: VecDeque::from(["first", "second"]),
            trailers: Some(HeaderMap::from_iter([(
                http::HeaderName::from_static("x-sum"),
                HeaderValue::from_static("2"),
            )])),
            exact: None,
            _held: Arc::clone(held),
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        if let Some(text) = self.data.pop_front() {
            let left = |exact: u64| exact - text.len() as u64;
            self.exact = self.exact.map(left);
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))));
        }
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
