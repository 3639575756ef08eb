//! Which host a call goes to, as a label says it.

use http::{HeaderMap, Uri, header::HOST};

/// Hosts have at most 253 bytes, addresses fewer; what is longer is none that can be reached.
pub(crate) const LONGEST: usize = 255;

/// Calls `f` with the text in lower case, without an allocation.
#[inline]
pub(crate) fn lower<R>(text: &str, f: impl FnOnce(&str) -> R) -> R {
    // Without an early end it is done for many bytes at once.
    if !text
        .bytes()
        .fold(false, |any, byte| any | byte.is_ascii_uppercase())
    {
        return f(text);
    }
    let mut buffer = [0; 2 * LONGEST];
    match buffer.get_mut(..text.len()) {
        Some(copy) => {
            copy.copy_from_slice(text.as_bytes());
            copy.make_ascii_lowercase();
            f(std::str::from_utf8(copy).expect("changing the case of ASCII keeps UTF-8"))
        }
        None => f(&text.to_ascii_lowercase()),
    }
}

/// Returns the authority without userinfo: of the URL, else of the `Host` header.
#[inline]
pub(crate) fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let whole = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(HOST)?.to_str().ok()?,
    };
    Some(after_last(whole, b'@')).filter(|rest| !rest.is_empty())
}

/// Cuts the port off an authority, and the brackets off an IPv6 address.
#[inline]
pub(crate) fn without_port(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => before_first(authority, b':'),
    }
}

// The standard library's searches prepare for texts that are longer than an authority.

#[inline]
fn after_last(text: &str, separator: u8) -> &str {
    match text.bytes().rposition(|byte| byte == separator) {
        Some(place) => &text[place + 1..],
        None => text,
    }
}

#[inline]
fn before_first(text: &str, separator: u8) -> &str {
    match text.bytes().position(|byte| byte == separator) {
        Some(place) => &text[..place],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_port_no_userinfo_no_brackets() {
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
            assert_eq!(lower(without_port(authority), str::to_owned), host);
        }
    }

    #[test]
    fn a_path_alone_has_the_host_of_its_header_or_none() {
        let uri: Uri = "/x".parse().unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(authority(&uri, &headers), None);
        headers.insert(HOST, "stock:80".parse().unwrap());
        assert_eq!(authority(&uri, &headers), Some("stock:80"));
    }
}
