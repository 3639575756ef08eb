//! One log line for each call, at level debug. Costs one check while no subscriber is interested.

use std::fmt::Write;

use http::{Method, Request, Uri};

use crate::failure::{ErrorType, Failure};

const TARGET: &str = "campanile::outbound";

/// The part of the line that only the request knows. No headers: some are secret.
pub(super) struct CallLine {
    method: Method,
    url: String,
}

/// Returns whether a subscriber is interested.
#[inline]
pub(super) fn is_enabled() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
}

impl CallLine {
    pub(super) fn begin<B>(request: &Request<B>) -> Option<Self> {
        is_enabled().then(|| Self {
            method: request.method().clone(),
            url: masked(request.uri()),
        })
    }

    #[cold]
    pub(super) fn write(&self, host: &str, view: &str, status: u16, failure: Option<Failure>, seconds: f64) {
        let failure = failure.filter(|failure| failure.error_type != ErrorType::Http);
        tracing::debug!(
            target: TARGET,
            method = %self.method,
            url = self.url,
            host,
            view,
            status = (status != 0).then_some(status),
            error_type = failure.map(|failure| failure.error_type.as_str()),
            error_code = failure.map(|failure| failure.code),
            duration_ms = seconds * 1e3,
            "http call"
        );
    }
}

/// Formats a URL without its userinfo, with the lengths of query values instead of the values.
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
