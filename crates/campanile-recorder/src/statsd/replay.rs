//! Writes lines of arbitrary bytes, for the fuzz target and the test that replays its corpus.

use super::{Dsn, LineFormat, escape::push_part, line::LineStyle};

/// Separates parts of the input; it does not occur in UTF-8.
const SEPARATOR: u8 = 0xff;

/// Writes lines in each format: the value from the first eight bytes, then prefix, name and pairs of labels, separated by
/// `0xff`. The first pair is also a constant tag.
///
/// # Panics
///
/// If a line is malformed.
#[cfg_attr(test, expect(unreachable_pub, reason = "exported for the fuzz target"))]
pub fn replay(bytes: &[u8]) {
    check_part(&String::from_utf8_lossy(bytes));
    let (value, rest) = bytes.split_first_chunk().unwrap_or((&[0; 8], bytes));
    let value = u64::from_le_bytes(*value);
    let parts: Vec<_> = rest
        .split(|byte| *byte == SEPARATOR)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect();
    let [prefix, name, labels @ ..] = &*parts else {
        return;
    };
    let (labels, _) = labels.as_chunks::<2>();
    // Invalid prefixes are rejected by `Dsn`.
    let prefix = Dsn::udp("localhost", prefix).map_or_else(|_| String::new(), |dsn| dsn.prefix().to_owned());
    for format in [LineFormat::Dotted, LineFormat::CommaTags, LineFormat::DogStatsd] {
        let style = LineStyle {
            format,
            prefix: prefix.clone(),
            tags: labels
                .first()
                .map(|[name, value]| (name.clone(), value.clone()))
                .into_iter()
                .collect(),
        };
        check_lines(&style, name, labels, value);
    }
}

fn check_part(part: &str) {
    let escaped = |part: &str| {
        let mut line = String::new();
        push_part(part, &mut line);
        line
    };
    let once = escaped(part);
    assert!(is_clean(&once), "{part:?} became {once:?}");
    assert_eq!(escaped(&once), once, "what is clean is changed");
    assert!(part.is_empty() || once.len() <= part.len());
}

fn is_clean(part: &str) -> bool {
    !part.is_empty()
        && part
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b":|@#".contains(&byte))
}

fn check_lines(style: &LineStyle, name: &str, labels: &[[String; 2]], bits: u64) {
    let pairs = || labels.iter().map(|[name, value]| (&**name, &**value));
    let line = |write: &dyn Fn(&mut String)| {
        let mut text = String::new();
        write(&mut text);
        text
    };
    let counter = style.counter(name, pairs());
    let count = line(&|text| counter.count(bits, text));
    check_line(style, labels.len(), &count, "c");
    // Values that are not finite are counted and never written.
    let value = f64::from_bits(bits);
    if !value.is_finite() {
        return;
    }
    let series = style.series(name, ".count", pairs());
    for (text, kind) in [
        (line(&|text| series.sum(value, text)), "c"),
        (line(&|text| series.duration_sum(value, text)), "c"),
        (line(&|text| series.histogram(value, text)), "h"),
        (line(&|text| series.duration(value, text)), "ms"),
    ] {
        let sent = check_line(style, labels.len(), &text, kind);
        assert!(
            sent == 0.0 || (sent < 0.0) == (value < 0.0),
            "{value} became {text:?}"
        );
    }
    let gauge = line(&|text| series.gauge(value, text));
    let lines: Vec<_> = gauge.split('\n').collect();
    assert_eq!(
        u64::try_from(lines.len()),
        Ok(series.gauge_lines(value)),
        "{gauge:?}"
    );
    for one in &lines {
        check_line(style, labels.len(), one, "g");
    }
    if let [zero, _] = *lines {
        assert_eq!(
            check_line(style, labels.len(), zero, "g").to_bits(),
            0,
            "{gauge:?}"
        );
    }
}

/// Parses a line as a daemon does, and returns its value.
fn check_line(style: &LineStyle, labels: usize, line: &str, expected: &str) -> f64 {
    assert!(line.bytes().all(|byte| byte.is_ascii_graphic()), "{line:?}");
    let (name, rest) = line.split_once(':').expect("the name ends with a colon");
    let (value, rest) = rest.split_once('|').expect("the value ends with a bar");
    let (kind, tags) = match rest.split_once("|#") {
        Some((kind, tags)) => (kind, Some(tags)),
        None => (rest, None),
    };
    assert_eq!(kind, expected, "{line:?}");
    assert!(is_clean(name), "{line:?}");
    // The constant tag is the first label, which replaces it.
    let (tags, between) = match style.format {
        LineFormat::Dotted => (None, '.'),
        LineFormat::CommaTags => (name.split_once(',').map(|(_, tags)| tags), '='),
        LineFormat::DogStatsd => (tags, ':'),
    };
    if style.format != LineFormat::Dotted {
        assert_eq!(tags.map_or(0, |tags| tags.split(',').count()), labels, "{line:?}");
    }
    for tag in tags.into_iter().flat_map(|tags| tags.split(',')) {
        let (key, value) = tag.split_once(between).expect("a tag has a value");
        assert!(
            is_clean(key) && is_clean(value) && !value.contains(between),
            "{line:?}"
        );
    }
    value.parse().expect("the value is a number")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn lines_of_the_corpus_are_well_formed() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        // A published crate has no corpus.
        if !fuzz.is_dir() {
            return;
        }
        let entries = std::fs::read_dir(fuzz.join("corpus/statsd")).expect("the target has a corpus");
        let mut files = 0;
        for entry in entries {
            replay(&std::fs::read(entry.expect("is listed").path()).expect("can be read"));
            files += 1;
        }
        assert!(files > 0, "the corpus is empty");
    }
}
