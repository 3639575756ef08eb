//! A line in the log for each call, at debug. Nothing is done for it while nobody listens.

use std::fmt::Write;

use http::{Method, Request, Uri};

use crate::failure::{Failure, Type};

const TARGET: &str = "campanile::outbound";

/// What the line says that only the request knows. No header goes in: some are secrets.
pub(super) struct Line {
    method: Method,
    url: String,
}

/// Tells whether anybody listens.
#[inline]
pub(super) fn is_wanted() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
}

impl Line {
    pub(super) fn begin<B>(request: &Request<B>) -> Option<Self> {
        is_wanted().then(|| Self {
            method: request.method().clone(),
            url: masked(request.uri()),
        })
    }

    #[cold]
    pub(super) fn write(&self, host: &str, view: &str, status: u16, failure: Option<Failure>, seconds: f64) {
        let failure = failure.filter(|failure| failure.kind != Type::Http);
        tracing::debug!(
            target: TARGET,
            method = %self.method,
            url = self.url,
            host,
            view,
            status = (status != 0).then_some(status),
            error_type = failure.map(|failure| failure.kind.as_str()),
            error_code = failure.map(|failure| failure.code),
            duration_ms = seconds * 1e3,
            "http call"
        );
    }
}

/// Writes a URL without its userinfo, and the lengths of the query's values in their place.
fn masked(uri: &Uri) -> String {
    let mut url = String::new();
    if let Some(scheme) = uri.scheme_str() {
        url.extend([scheme, "://"]);
    }
    if let Some(authority) = uri.authority() {
        let authority = authority.as_str();
        url.push_str(authority.rsplit_once('@').map_or(authority, |(_, rest)| rest));
    }
    url.push_str(uri.path());
    let mut separator = '?';
    for pair in uri.query().into_iter().flat_map(|query| query.split('&')) {
        url.push(separator);
        separator = '&';
        match pair.split_once('=') {
            Some((name, value)) => write!(url, "{name}=<len {}>", value.len()),
            // A part without a name may be a token by itself.
            None => write!(url, "<len {}>", pair.len()),
        }
        .expect("a string takes all text");
    }
    url
}
