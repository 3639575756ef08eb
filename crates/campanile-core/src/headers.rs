//! Names of the headers that campanile reads and writes, and a fast lookup.

use http::{HeaderMap, HeaderName, HeaderValue};

/// `X-Request-Id`: the id that links a request to the calls it causes.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// `X-Request-Deadline`: the moment after which the response is of no use, RFC 3339 in UTC.
pub const X_REQUEST_DEADLINE: HeaderName = HeaderName::from_static("x-request-deadline");

/// `X-View-Name`: the route of the response, as the responding service names it.
pub const X_VIEW_NAME: HeaderName = HeaderName::from_static("x-view-name");

/// `traceparent`: the [W3C trace context](https://www.w3.org/TR/trace-context/).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// `grpc-timeout`: the time limit of a gRPC call.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// `grpc-status`: the status code of a gRPC call, in the trailers or in the response head.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// `grpc-message`
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Up to this number of headers, comparing each name is cheaper than hashing one, which `HeaderMap` does byte by byte.
pub(crate) const LINEAR_SEARCH_MAX: usize = 16;

/// Returns the first value of a header, as [`HeaderMap::get`] does; faster on maps with up to 16 headers.
#[inline]
#[must_use]
pub fn find<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let [value] = find_each(headers, [name]);
    value
}

/// Returns whether any of the headers is present.
#[inline]
#[must_use]
pub fn has_any<const N: usize>(headers: &HeaderMap, names: [&HeaderName; N]) -> bool {
    if headers.keys_len() > LINEAR_SEARCH_MAX {
        return names.iter().any(|name| headers.contains_key(*name));
    }
    headers.keys().any(|name| names.contains(&name))
}

/// Returns the first value of each header; in one pass on maps with up to 16 headers.
#[inline]
#[must_use]
pub fn find_each<'a, const N: usize>(
    headers: &'a HeaderMap,
    names: [&HeaderName; N],
) -> [Option<&'a HeaderValue>; N] {
    if headers.keys_len() > LINEAR_SEARCH_MAX {
        return names.map(|name| headers.get(name));
    }
    let mut found = [None; N];
    for (name, value) in headers {
        for i in 0..N {
            if name == names[i] && found[i].is_none() {
                found[i] = Some(value);
            }
        }
    }
    found
}

/// Returns the `X-View-Name` of a response if it is valid as a label value: 1 to 64 bytes of ASCII letters, digits and
/// `_.:/{}*-`.
#[inline]
#[must_use]
pub fn view_name(headers: &HeaderMap) -> Option<&str> {
    static NAME: HeaderName = X_VIEW_NAME;
    let value = find(headers, &NAME)?;
    let valid = (1..=64).contains(&value.len())
        && value
            .as_bytes()
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.:/{}*-".contains(byte));
    valid.then(|| str::from_utf8(value.as_bytes()).expect("checked to be ASCII"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(others: usize) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for n in 0..others {
            headers.insert(
                HeaderName::try_from(format!("x-other-{n}")).unwrap(),
                HeaderValue::from_static("no"),
            );
        }
        headers.append(TRACEPARENT, HeaderValue::from_static("first"));
        headers.append(TRACEPARENT, HeaderValue::from_static("second"));
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        headers
    }

    #[test]
    fn find_each_agrees_with_the_header_map_in_small_and_large_maps() {
        for others in [0, 3, LINEAR_SEARCH_MAX, 3 * LINEAR_SEARCH_MAX] {
            let headers = map(others);
            let names = [&TRACEPARENT, &X_REQUEST_ID, &http::header::CONTENT_TYPE];
            let expected = names.map(|name| headers.get(name));
            assert_eq!(expected[0].unwrap(), "first");
            assert_eq!(find_each(&headers, names), expected, "{others} others");
        }
        assert_eq!(find(&HeaderMap::new(), &X_REQUEST_ID), None);
    }
}
