//! Methods as a label: a closed set.

use http::Method;

/// The methods that are a label value of their own; anything else is `_OTHER`.
pub const NAMES: [&str; 10] = [
    "_OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

pub(crate) const HEAD: u8 = 2;
pub(crate) const CONNECT: u8 = 6;

/// Returns a method's place in [`NAMES`].
#[inline]
#[must_use]
pub fn number(method: &Method) -> u8 {
    // MethodClass first: what else is asked of the method then needs no answer, as most requests' is this one.
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

/// Returns the label value of a place in [`NAMES`].
#[must_use]
pub fn name(number: u8) -> &'static str {
    NAMES.get(usize::from(number)).copied().unwrap_or(NAMES[0])
}
