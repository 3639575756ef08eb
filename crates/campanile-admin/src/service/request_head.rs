//! Content negotiation and query parameters.
//!
//! Quality values follow [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1): the most specific range counts, and an
//! invalid quality is 0.

use std::borrow::Cow;

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderName, Uri};

/// Returns the decoded value of the first query parameter of this name. Invalid UTF-8 is replaced.
pub(crate) fn query_value<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    let query = uri.query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

/// Returns whether the client prefers HTML to JSON. Only an explicit `text/html` counts: programs send `*/*`.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let accept = joined(headers, &ACCEPT);
    let html = quality(&accept, &["text/html"]);
    let json = quality(&accept, &["application/json", "application/*", "*/*"]);
    html.is_some_and(|html| html > 0.0 && html >= json.unwrap_or(0.0))
}

/// Returns whether the response may be compressed with gzip.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accept = joined(headers, &ACCEPT_ENCODING);
    let gzip = quality(&accept, &["gzip"]).or_else(|| quality(&accept, &["x-gzip", "*"]));
    gzip.is_some_and(|gzip| gzip > 0.0)
}

/// Returns the value of a list header, joined from all its lines. Lines that are not ASCII are skipped.
pub(crate) fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    lines.join(",")
}

/// Returns the quality of the first of `names` in the list.
fn quality(list: &str, names: &[&str]) -> Option<f32> {
    names.iter().find_map(|name| {
        let items = list.split(',').filter_map(parse_item);
        let matching = items.filter(|(item, _)| item.eq_ignore_ascii_case(name));
        matching.map(|(_, quality)| quality).reduce(f32::max)
    })
}

/// Parses a list item and its quality.
fn parse_item(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let mut parameters = parts.filter_map(|part| part.split_once('='));
    let quality = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let quality = quality.map_or(1.0, |(_, value)| value.trim().parse().unwrap_or(0.0));
    Some((
        name,
        if (0.0..=1.0).contains(&quality) {
            quality
        } else {
            0.0
        },
    ))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn query_values_are_decoded() {
        for (query, expected) in [
            ("id=a", Some("a")),
            ("x=1&id=a&id=b", Some("a")),
            ("id", Some("")),
            ("%69d=a+b%2Bc", Some("a b+c")),
            ("id=%e2%82%ac", Some("€")),
            ("id=%ff", Some("\u{fffd}")),
            ("id=100%&x", Some("100%")),
            ("id=%zz%4", Some("%zz%4")),
            ("ids=a&&=", None),
        ] {
            let uri = Uri::try_from(format!("/?{query}")).unwrap();
            assert_eq!(query_value(&uri, "id").as_deref(), expected, "{query}");
        }
        assert_eq!(query_value(&Uri::from_static("/"), "id"), None);
    }

    #[test]
    fn gzip_is_accepted_by_quality() {
        for (value, expected) in [
            ("", false),
            ("gzip", true),
            ("GZIP", true),
            ("deflate, gzip;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("gzip; Q=0.000", false),
            ("*", true),
            ("*;q=0", false),
            ("x-gzip", true),
            ("identity", false),
            ("gzip;q=nan", false),
            ("gzip;q=7", false),
            ("gzipped, bzip2", false),
        ] {
            assert_eq!(
                accepts_gzip(&headers(ACCEPT_ENCODING, value)),
                expected,
                "{value}"
            );
        }
    }

    #[test]
    fn html_is_preferred_only_if_named() {
        for (value, expected) in [
            ("", false),
            ("*/*", false),
            ("text/*", false),
            ("text/html", true),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("application/json, text/html;q=0.9", false),
            ("application/json;q=0.5, text/html;q=0.9", true),
            ("text/html;q=0", false),
        ] {
            assert_eq!(prefers_html(&headers(ACCEPT, value)), expected, "{value}");
        }
    }
}
