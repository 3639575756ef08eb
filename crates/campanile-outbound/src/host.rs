//! The host of a call, as a label value.

use http::{HeaderMap, Uri, header::HOST};

/// Longer names are not hosts: a DNS name has at most 253 bytes, an address fewer.
pub(crate) const MAX_LEN: usize = 255;

/// Calls `f` with the text in lower case. Does not allocate for hosts.
#[inline]
pub(crate) fn with_lowercase<R>(text: &str, f: impl FnOnce(&str) -> R) -> R {
    // Without an early exit the comparison vectorizes.
    let has_uppercase = text
        .bytes()
        .fold(false, |any, byte| any | byte.is_ascii_uppercase());
    if !has_uppercase {
        return f(text);
    }
    let mut buffer = [0; 2 * MAX_LEN];
    match buffer.get_mut(..text.len()) {
        Some(copy) => {
            copy.copy_from_slice(text.as_bytes());
            copy.make_ascii_lowercase();
            f(std::str::from_utf8(copy).expect("ASCII case conversion keeps UTF-8"))
        }
        None => f(&text.to_ascii_lowercase()),
    }
}

/// Returns the authority of the URL, otherwise of the `Host` header, without userinfo.
#[inline]
pub(crate) fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let authority = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(HOST)?.to_str().ok()?,
    };
    Some(after_last(authority, b'@')).filter(|rest| !rest.is_empty())
}

/// Returns an authority without the port, and an IPv6 address without its brackets.
#[inline]
pub(crate) fn without_port(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => before_first(authority, b':'),
    }
}

// `str::rfind` and `str::find` have set-up costs that do not pay off on short strings.

#[inline]
fn after_last(text: &str, separator: u8) -> &str {
    match text.bytes().rposition(|byte| byte == separator) {
        Some(index) => &text[index + 1..],
        None => text,
    }
}

#[inline]
fn before_first(text: &str, separator: u8) -> &str {
    match text.bytes().position(|byte| byte == separator) {
        Some(index) => &text[..index],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_has_no_port_userinfo_or_brackets() {
        for (uri, host) in [
            ("http://Stock.Example:8080/x", "stock.example"),
            ("http://user:secret@stock/x", "stock"),
            ("http://user:p@stock:80/x", "stock"),
            ("http://[::1]:8080/", "::1"),
            ("http://[FE80::1]/", "fe80::1"),
            ("http://127.0.0.1:1/", "127.0.0.1"),
        ] {
            let uri: Uri = uri.parse().unwrap();
            let headers = HeaderMap::new();
            let authority = authority(&uri, &headers).unwrap();
            assert_eq!(with_lowercase(without_port(authority), str::to_owned), host);
        }
    }

    #[test]
    fn host_of_a_relative_url_is_the_host_header() {
        let uri: Uri = "/x".parse().unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(authority(&uri, &headers), None);
        headers.insert(HOST, "stock:80".parse().unwrap());
        assert_eq!(authority(&uri, &headers), Some("stock:80"));
    }
}
