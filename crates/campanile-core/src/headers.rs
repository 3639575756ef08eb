//! The headers that campanile reads and writes: their names, and a look for them that costs little.

use http::{HeaderMap, HeaderName, HeaderValue};

/// `X-Request-Id`: which request of the first service this one belongs to.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// `X-Request-Deadline`: until when the answer is wanted, RFC 3339 in UTC.
pub const X_REQUEST_DEADLINE: HeaderName = HeaderName::from_static("x-request-deadline");

/// `X-View-Name`: how the answering service calls the endpoint that answered.
pub const X_VIEW_NAME: HeaderName = HeaderName::from_static("x-view-name");

/// `traceparent`: the [W3C trace context](https://www.w3.org/TR/trace-context/).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// `grpc-timeout`: how long a gRPC call may take.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// `grpc-status`: how a gRPC call ended, in the trailers or in the head.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Headers up to which a look at each name is cheaper than the hash of one: the map hashes byte by byte, each
/// waiting for the one before.
pub(crate) const FEW: usize = 16;

/// Finds the first value of a header.
///
/// Does what [`HeaderMap::get`] does, and in less time where the headers are few, as most requests' are.
#[inline]
#[must_use]
pub fn find<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let [value] = find_each(headers, [name]);
    value
}

/// Returns whether one of some headers is present.
#[inline]
#[must_use]
pub fn has_any<const N: usize>(headers: &HeaderMap, names: [&HeaderName; N]) -> bool {
    if headers.keys_len() > FEW {
        return names.iter().any(|name| headers.contains_key(*name));
    }
    headers.keys().any(|name| names.contains(&name))
}

/// Finds the first value of each of some headers, in one pass where the headers are few.
#[inline]
#[must_use]
pub fn find_each<'a, const N: usize>(
    headers: &'a HeaderMap,
    names: [&HeaderName; N],
) -> [Option<&'a HeaderValue>; N] {
    if headers.keys_len() > FEW {
        return names.map(|name| headers.get(name));
    }
    let mut found = [None; N];
    for (name, value) in headers {
        for place in 0..N {
            if name == names[place] && found[place].is_none() {
                found[place] = Some(value);
            }
        }
    }
    found
}

/// Reads the view from an answer's `X-View-Name`, if it is one that may be a label: 1 to 64 bytes of letters, digits
/// and `_.:/{}*-`.
#[inline]
#[must_use]
pub fn view_name(headers: &HeaderMap) -> Option<&str> {
    static NAME: HeaderName = X_VIEW_NAME;
    let value = find(headers, &NAME)?;
    let fits = (1..=64).contains(&value.len())
        && value
            .as_bytes()
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.:/{}*-".contains(byte));
    fits.then(|| str::from_utf8(value.as_bytes()).expect("all of it is ASCII"))
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
    fn few_and_many_headers_are_found_as_the_map_finds_them() {
        for others in [0, 3, FEW, 3 * FEW] {
            let headers = map(others);
            let names = [&TRACEPARENT, &X_REQUEST_ID, &http::header::CONTENT_TYPE];
            let expected = names.map(|name| headers.get(name));
            assert_eq!(expected[0].unwrap(), "first");
            assert_eq!(find_each(&headers, names), expected, "{others} others");
        }
        assert_eq!(find(&HeaderMap::new(), &X_REQUEST_ID), None);
    }
}
