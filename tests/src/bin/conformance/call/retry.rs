//! Retries, each at the next backend.

use std::{
    collections::HashMap,
    future::{Ready, ready},
    sync::{Mutex, PoisonError},
};

use axum::http::{Request, Response, StatusCode, Uri, uri::Authority};
use tower::retry::Policy;

/// The number of attempts so far, by list of backends.
static TURNS: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);

/// The attempts of one call.
#[derive(Debug, Clone)]
pub(super) struct Attempts {
    retries: u32,
    backends: Option<Box<str>>,
}

impl Attempts {
    /// Describes a first attempt and `retries` more, at comma-separated backends.
    pub(super) fn new(retries: u32, backends: Option<&str>) -> Self {
        Self {
            retries,
            backends: backends.map(Into::into),
        }
    }

    /// Directs a request to the next backend.
    pub(super) fn direct<B>(&self, mut request: Request<B>) -> Request<B> {
        if let Some(backend) = self.next_backend() {
            let mut parts = request.uri().clone().into_parts();
            parts.authority = Some(backend);
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
        request
    }

    fn next_backend(&self) -> Option<Authority> {
        let list = self.backends.as_deref()?;
        let backends: Vec<_> = list.split(',').filter_map(authority).collect();
        let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.get_or_insert_default().entry(list.to_owned()).or_default();
        let backend = backends.get(*turn % backends.len().max(1)).cloned();
        *turn += 1;
        backend
    }
}

/// Parses a backend: `http://host:port` or `host:port`.
fn authority(text: &str) -> Option<Authority> {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    text.trim_end_matches('/').parse().ok()
}

impl<B: Clone, R, E> Policy<Request<B>, Response<R>, E> for Attempts {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<B>, result: &mut Result<Response<R>, E>) -> Option<Ready<()>> {
        let busy = matches!(result, Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE);
        if !busy || self.retries == 0 {
            return None;
        }
        self.retries -= 1;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        (self.retries > 0).then(|| request.clone())
    }
}
