//! What a client accepts.
//!
//! Weights are those of [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1): what is wanted is read from the
//! most specific range, and what cannot be read is not wanted.

use http::header::{ACCEPT, ACCEPT_ENCODING};
use http::{HeaderMap, HeaderName};

/// Tells whether a page for people is wanted, and no less than JSON. Only who names HTML wants it: `*/*` does not.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    let accept = joined(headers, &ACCEPT);
    let html = weight_of(&accept, &["text/html"]);
    let json = weight_of(&accept, &["application/json", "application/*", "*/*"]);
    html.is_some_and(|html| html > 0.0 && html >= json.unwrap_or(0.0))
}

/// Tells whether gzip may be used.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let accept = joined(headers, &ACCEPT_ENCODING);
    let gzip = weight_of(&accept, &["gzip"]).or_else(|| weight_of(&accept, &["x-gzip", "*"]));
    gzip.is_some_and(|gzip| gzip > 0.0)
}

/// Returns the value of a header that is a list, whatever number of lines it came in. What is no ASCII is left out.
pub(crate) fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let lines: Vec<_> = headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    lines.join(",")
}

/// Returns the weight of the first of `names` that the list has.
fn weight_of(list: &str, names: &[&str]) -> Option<f32> {
    names.iter().find_map(|name| {
        let items = list.split(',').filter_map(item);
        let weights = items.filter(|(item, _)| item.eq_ignore_ascii_case(name));
        weights.map(|(_, weight)| weight).reduce(f32::max)
    })
}

/// Reads an item of the list and its weight.
fn item(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let mut parameters = parts.filter_map(|part| part.split_once('='));
    let weight = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    Some((name, weight.map_or(1.0, |(_, weight)| read(weight.trim()))))
}

fn read(weight: &str) -> f32 {
    weight
        .parse()
        .ok()
        .filter(|weight| (0.0..=1.0).contains(weight))
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn gzip_is_used_where_it_is_wanted() {
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
            assert_eq!(takes_gzip(&headers(ACCEPT_ENCODING, value)), expected, "{value}");
        }
    }

    #[test]
    fn html_is_for_who_names_it() {
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
            assert_eq!(wants_html(&headers(ACCEPT, value)), expected, "{value}");
        }
    }
}
