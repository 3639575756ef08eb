//! An inner service and bodies with scripted behaviour.

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

/// The behaviour of the service.
#[derive(Clone, Copy)]
pub(crate) enum Behaviour {
    Respond,
    RespondWithExactLength,
    Fail,
    Hang,
}

/// The inner service. Its futures and bodies hold a clone of [`ScriptedService::resource`].
#[derive(Clone)]
pub(crate) struct ScriptedService {
    behaviour: Behaviour,
    resource: Arc<()>,
    readiness: Readiness,
}

/// The result of `poll_ready`; `None` if pending.
#[derive(Clone)]
pub(crate) struct Readiness(Arc<Mutex<Option<Result<(), String>>>>);

impl Readiness {
    pub(crate) fn set(&self, readiness: Option<Result<(), String>>) {
        *self.0.lock().unwrap() = readiness;
    }
}

impl ScriptedService {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            resource: Arc::default(),
            readiness: Readiness(Arc::new(Mutex::new(Some(Ok(()))))),
        }
    }

    pub(crate) fn resource(&self) -> Arc<()> {
        Arc::clone(&self.resource)
    }

    pub(crate) fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }
}

impl<B> Service<Request<B>> for ScriptedService {
    type Response = Response<ScriptedBody>;
    type Error = String;
    type Future = ScriptedFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), String>> {
        match &*self.readiness.0.lock().unwrap() {
            Some(ready) => Poll::Ready(ready.clone()),
            None => Poll::Pending,
        }
    }

    fn call(&mut self, _request: Request<B>) -> ScriptedFuture {
        ScriptedFuture {
            behaviour: self.behaviour,
            resource: Arc::clone(&self.resource),
        }
    }
}

pub(crate) struct ScriptedFuture {
    behaviour: Behaviour,
    resource: Arc<()>,
}

impl Future for ScriptedFuture {
    type Output = Result<Response<ScriptedBody>, String>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        let body = match self.behaviour {
            Behaviour::Respond => ScriptedBody::streamed(&self.resource),
            Behaviour::RespondWithExactLength => ScriptedBody::new("exact", Some(5), &self.resource),
            Behaviour::Fail => return Poll::Ready(Err("failed".to_owned())),
            Behaviour::Hang => return Poll::Pending,
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::ACCEPTED;
        response
            .headers_mut()
            .insert("x-from", HeaderValue::from_static("inner"));
        Poll::Ready(Ok(response))
    }
}

/// A body with scripted frames.
#[derive(Default)]
pub(crate) struct ScriptedBody {
    data: VecDeque<&'static str>,
    trailers: Option<HeaderMap>,
    exact: Option<u64>,
    _resource: Arc<()>,
}

impl ScriptedBody {
    pub(crate) fn new(text: &'static str, exact: Option<u64>, resource: &Arc<()>) -> Self {
        Self {
            data: VecDeque::from([text]),
            trailers: None,
            exact,
            _resource: Arc::clone(resource),
        }
    }

    fn streamed(resource: &Arc<()>) -> Self {
        Self {
            data: VecDeque::from(["first", "second"]),
            trailers: Some(HeaderMap::from_iter([(
                http::HeaderName::from_static("x-sum"),
                HeaderValue::from_static("2"),
            )])),
            exact: None,
            _resource: Arc::clone(resource),
        }
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        if let Some(text) = self.data.pop_front() {
            let remaining = |exact: u64| exact - text.len() as u64;
            self.exact = self.exact.map(remaining);
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
