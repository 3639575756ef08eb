//! Labels from arbitrary bytes: parsed, and as names and values.

use campanile_recorder::Labels;

/// Separates parts; it does not occur in UTF-8.
const SEPARATOR: u8 = 0xff;

/// Checks bytes as labels, and as pairs of names and values.
pub(crate) fn check(bytes: &[u8]) {
    if let Some(labels) = std::str::from_utf8(bytes).ok().and_then(Labels::parse) {
        assert_eq!(labels.as_str().as_bytes(), bytes);
        check_labels(&labels);
    }
    let parts: Vec<_> = bytes.split(|byte| *byte == SEPARATOR).collect();
    let parts: Vec<_> = parts
        .iter()
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect();
    let pairs: Vec<_> = parts
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[name, value]| (&**name, &**value))
        .collect();
    let labels = Labels::new(pairs.iter().copied());
    check_labels(&labels);
    for (name, value) in labels.iter() {
        let given = pairs.iter().any(|(_, given)| *given == value);
        assert!(given, "{name} has the value {value:?}, which is not in the input");
    }
    for (name, _) in pairs.iter().filter(|(name, _)| is_name(name)) {
        let kept = labels.iter().find(|(kept, _)| kept == name);
        let last = pairs.iter().rfind(|(given, _)| given == name);
        // An invalid name may have become this one.
        if pairs.iter().all(|(name, _)| is_name(name)) {
            let value = kept.as_ref().map(|(_, value)| &**value);
            assert_eq!(value, last.map(|(_, value)| *value), "value of {name}");
        }
        assert!(kept.is_some(), "{name} is missing");
    }
}

fn check_labels(labels: &Labels) {
    let text = labels.as_str();
    assert!(!text.contains('\n'), "{text:?} is not one line");
    assert_eq!(Labels::parse(text).as_ref(), Some(labels));
    let pairs: Vec<_> = labels.iter().collect();
    assert_eq!(labels.is_empty(), pairs.is_empty());
    assert!(pairs.iter().all(|(name, _)| is_name(name)), "{labels:?}");
    assert!(pairs.is_sorted_by(|one, other| one.0 < other.0), "{labels:?}");
    let again = Labels::new(pairs.iter().map(|(name, value)| (*name, &**value)));
    assert_eq!(again, *labels);
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
