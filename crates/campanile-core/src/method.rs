//! Methods as label values: a closed set.

use http::Method;

/// The label values of methods; an unknown method is `_OTHER`.
pub const NAMES: [&str; 10] = [
    "_OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

pub(crate) const HEAD: u8 = 2;
pub(crate) const CONNECT: u8 = 6;

/// Returns the index of a method in [`NAMES`].
#[inline]
#[must_use]
pub fn number(method: &Method) -> u8 {
    // The common method first.
    if *method == Method::GET {
        return 1;
    }
    match *method {
        Method::HEAD => HEAD,
        Method::POST => 3,
        Method::PUT => 4,
        Method::DELETE => 5,
        Method::CONNECT => CONNECT,
        Method::OPTIONS => 7,
        Method::TRACE => 8,
        Method::PATCH => 9,
        _ => 0,
    }
}

/// Returns the label value of a [`number`]; `_OTHER` if it is out of range.
#[must_use]
pub fn name(number: u8) -> &'static str {
    NAMES.get(usize::from(number)).copied().unwrap_or(NAMES[0])
}
