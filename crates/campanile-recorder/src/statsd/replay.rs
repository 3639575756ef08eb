//! Makes lines of any bytes, for the fuzzer and for the test that replays what it found.

use super::{Dsn, Format, escape::push_part, line::Form};

/// What stands in no text, and so between the parts.
const BETWEEN: u8 = 0xff;

/// Makes one part of a name of the bytes, and lines in each form: of eight bytes the value, of what follows prefix, name,
/// and pairs of labels, with `0xff` between them. The first pair is a constant tag too.
///
/// # Panics
///
/// Where a part or a line is not clean, or is not one.
#[cfg_attr(
    test,
    expect(unreachable_pub, reason = "the fuzzer reaches it, by the module's export")
)]
pub fn replay(bytes: &[u8]) {
    check_part(&String::from_utf8_lossy(bytes));
    let (value, rest) = bytes.split_first_chunk().unwrap_or((&[0; 8], bytes));
    let value = u64::from_le_bytes(*value);
    let parts: Vec<_> = rest
        .split(|byte| *byte == BETWEEN)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect();
    let [prefix, name, labels @ ..] = &*parts else {
        return;
    };
    let (labels, _) = labels.as_chunks::<2>();
    // A prefix that cannot be is refused.
    let prefix = Dsn::udp("localhost", prefix).map_or_else(|_| String::new(), |dsn| dsn.prefix().to_owned());
    for format in [Format::Dotted, Format::CommaTags, Format::DogStatsd] {
        let form = Form {
            format,
            prefix: prefix.clone(),
            tags: labels
                .first()
                .map(|[name, value]| (name.clone(), value.clone()))
                .into_iter()
                .collect(),
        };
        check_lines(&form, name, labels, value);
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

fn check_lines(form: &Form, name: &str, labels: &[[String; 2]], bits: u64) {
    let pairs = || labels.iter().map(|[name, value]| (&**name, &**value));
    let line = |write: &dyn Fn(&mut String)| {
        let mut text = String::new();
        write(&mut text);
        text
    };
    let counter = form.counter(name, pairs());
    let count = line(&|text| counter.count(bits, text));
    check_line(form, labels.len(), &count, "c");
    // What is not finite is counted, and makes no line.
    let value = f64::from_bits(bits);
    if !value.is_finite() {
        return;
    }
    let series = form.series(name, ".count", pairs());
    for (text, kind) in [
        (line(&|text| series.sum(value, text)), "c"),
        (line(&|text| series.duration_sum(value, text)), "c"),
        (line(&|text| series.histogram(value, text)), "h"),
        (line(&|text| series.duration(value, text)), "ms"),
    ] {
        let sent = check_line(form, labels.len(), &text, kind);
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
        check_line(form, labels.len(), one, "g");
    }
    if let [zero, _] = *lines {
        assert_eq!(
            check_line(form, labels.len(), zero, "g").to_bits(),
            0,
            "{gauge:?}"
        );
    }
}

/// Reads a line as a daemon does, and returns its value.
fn check_line(form: &Form, labels: usize, line: &str, expected: &str) -> f64 {
    assert!(line.bytes().all(|byte| byte.is_ascii_graphic()), "{line:?}");
    let (name, rest) = line.split_once(':').expect("a colon stands behind the name");
    let (value, rest) = rest.split_once('|').expect("a bar stands behind the value");
    let (kind, tags) = match rest.split_once("|#") {
        Some((kind, tags)) => (kind, Some(tags)),
        None => (rest, None),
    };
    assert_eq!(kind, expected, "{line:?}");
    assert!(is_clean(name), "{line:?}");
    // The constant tag is the first label, and gives way to it.
    let (tags, between) = match form.format {
        Format::Dotted => (None, '.'),
        Format::CommaTags => (name.split_once(',').map(|(_, tags)| tags), '='),
        Format::DogStatsd => (tags, ':'),
    };
    if form.format != Format::Dotted {
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
    fn the_corpus_makes_clean_lines() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        // A published crate has none.
        if !fuzz.is_dir() {
            return;
        }
        let entries = std::fs::read_dir(fuzz.join("corpus/statsd")).expect("the target has a corpus");
        let mut files = 0;
        for entry in entries {
            replay(&std::fs::read(entry.expect("is there").path()).expect("can be read"));
            files += 1;
        }
        assert!(files > 0, "the corpus is empty");
    }
}
