//! The live page: one file, which loads nothing from anywhere.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderValue, Response, StatusCode};

use super::answer;
use crate::Body;

const PAGE: &str = include_str!("../page/index.html");

pub(super) fn answer() -> Response<Body> {
    let nonce = nonce();
    let mut response = answer::whole(StatusCode::OK, answer::HTML, PAGE.replace("{nonce}", &nonce));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Draws what only this answer's script and style know, from the standard library's hash, whose keys are the system's.
fn nonce() -> String {
    static TURN: AtomicU64 = AtomicU64::new(0);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let [a, b] = [(); 2].map(|()| RandomState::new().hash_one(turn));
    format!("{a:016x}{b:016x}")
}
