//! The query of a request.

use std::borrow::Cow;

/// Returns the value of the first parameter of this name, decoded. What is no UTF-8 then is replaced by U+FFFD.
pub(crate) fn value<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    let parameters = query.unwrap_or_default().split('&');
    let mut pairs = parameters.map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")));
    let (_, value) = pairs.find(|(parameter, _)| decode(parameter) == name)?;
    Some(decode(value))
}

/// Decodes `%41` and `+`. A `%` that begins nothing stays as it is.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high * 16 + low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_and_decoded() {
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
            assert_eq!(value(Some(query), "id").as_deref(), expected, "{query}");
        }
        assert_eq!(value(None, "id"), None);
    }
}
