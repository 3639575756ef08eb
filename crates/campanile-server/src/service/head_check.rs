//! Checks a request head that hyper has accepted.

use http::header::{COOKIE, HOST};
use http::{HeaderMap, Request, Uri, Version};

use crate::limits::HttpLimits;
use crate::rejection::RejectReason;

/// What HTTP/1 writes around a header field: `: ` and a line end.
const FIELD_OVERHEAD: usize = 4;

/// What HTTP/1 writes between two cookies: `; `.
const COOKIE_SEPARATOR: usize = 2;

/// What HTTP/1 writes around the method and the target: two spaces, the version, a line end, and the empty line.
const LINE_OVERHEAD: usize = 14;

/// Returns why a request must be refused.
///
/// Over HTTP/1 hyper limits the head by itself. Over HTTP/2 its size is compared as if it were spelled in HTTP/1, so that
/// both accept the same heads.
#[inline]
pub(super) fn check<B>(request: &Request<B>, limits: &HttpLimits) -> Option<RejectReason> {
    if request.version() == Version::HTTP_2 {
        return check_http2(request, limits);
    }
    let mut headers = request.headers().iter();
    // Most clients send `Host` first, and values of one name follow each other.
    let is_first = headers
        .next()
        .is_some_and(|(name, host)| *name == HOST && is_valid_host(host.as_bytes()));
    let is_single = headers.next().is_none_or(|(name, _)| *name != HOST);
    if is_first && is_single {
        return None;
    }
    check_hosts(request.headers(), request.version() == Version::HTTP_11)
}

/// RFC 9112, section 3.2.
#[cold]
fn check_hosts(headers: &HeaderMap, is_required: bool) -> Option<RejectReason> {
    let mut hosts = headers.get_all(HOST).iter();
    let is_valid = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_valid_host(host.as_bytes()),
        (None, _) => !is_required,
        (Some(_), Some(_)) => false,
    };
    (!is_valid).then_some(RejectReason::Host)
}

fn check_http2<B>(request: &Request<B>, limits: &HttpLimits) -> Option<RejectReason> {
    let uri = request.uri();
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let mut size = request.method().as_str().len() + target + LINE_OVERHEAD;
    let authority = uri.authority();
    if let Some(authority) = authority {
        size += HOST.as_str().len() + authority.as_str().len() + FIELD_OVERHEAD;
    }
    let mut count = usize::from(authority.is_some());
    let mut hosts = 0;
    let mut is_same_host = true;
    let mut has_cookie = false;
    for (name, value) in request.headers() {
        if *name == COOKIE && std::mem::replace(&mut has_cookie, true) {
            // Over HTTP/2 each cookie may be a field, which HTTP/1 joins: RFC 9113, section 8.2.3.
            size += value.len() + COOKIE_SEPARATOR;
            continue;
        }
        size += name.as_str().len() + value.len() + FIELD_OVERHEAD;
        count += 1;
        if *name == HOST {
            hosts += 1;
            is_same_host &= authority.map_or_else(
                || is_valid_host(value.as_bytes()),
                |authority| is_same(authority.as_str().as_bytes(), value.as_bytes(), uri),
            );
        }
    }
    if size > limits.max_head_bytes || count > limits.max_headers {
        return Some(RejectReason::HeadersTooLarge);
    }
    // A host that differs from `:authority` makes a request malformed: RFC 9113, section 8.3.1.
    (hosts > 1 || !is_same_host).then_some(RejectReason::Host)
}

/// Returns whether `:authority` and `Host` are the same, with or without the default port of the scheme.
#[inline]
fn is_same(authority: &[u8], host: &[u8], uri: &Uri) -> bool {
    authority.eq_ignore_ascii_case(host) || {
        let port: &[u8] = match uri.scheme_str() {
            Some("http") => b"80",
            Some("https") => b"443",
            _ => b"",
        };
        without_port(authority, port).eq_ignore_ascii_case(without_port(host, port))
    }
}

/// Removes a port if it is this one or empty: RFC 3986, section 6.2.3.
fn without_port<'a>(host: &'a [u8], port: &[u8]) -> &'a [u8] {
    let without = host.strip_suffix(port).unwrap_or(host);
    without
        .strip_suffix(b":")
        .or_else(|| host.strip_suffix(b":"))
        .unwrap_or(host)
}

/// Returns whether a value consists of characters of `uri-host [ ":" port ]`; it may be empty.
#[inline]
fn is_valid_host(host: &[u8]) -> bool {
    host.iter().all(|&byte| HOST_BYTES[usize::from(byte)])
}

/// Unreserved characters, sub-delimiters, `%`, and `:`, `[`, `]` of ports and IPv6 addresses: RFC 3986, section 3.2.2.
const HOST_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"-._~!$&'()*+,;=%:[]";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = true;
        }
        byte += 1;
    }
    table
};
