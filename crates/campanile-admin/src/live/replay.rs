//! Reads any bytes as the text of metrics, for the fuzzer and for the test that replays what it found.

use std::time::Duration;

use super::sample::Between;
use super::totals::Reader;

/// Reads two texts, of which a blank line is between, as two looks at the metrics.
///
/// # Panics
///
/// Where it matters how the text is cut, or where something comes of it that the page cannot read.
#[cfg_attr(
    test,
    expect(unreachable_pub, reason = "the fuzzer reaches it, by the crate's root")
)]
pub fn replay(bytes: &[u8]) {
    let middle = bytes.windows(2).position(|two| two == b"\n\n");
    let (before, now) = bytes.split_at(middle.map_or(0, |middle| middle + 1));
    let read = |text: &[u8], piece: usize| {
        let mut reader = Reader::default();
        text.chunks(piece).for_each(|piece| reader.feed(piece));
        reader.finish()
    };
    let [before, whole] = [before, now].map(|text| read(text, usize::MAX));
    assert_eq!(read(now, 3), whole, "a text is read the same however it is cut");
    let between = Between {
        before: Some(&before),
        now: Some(&whole),
        elapsed: Duration::from_secs(1),
    };
    let sample = between.to_json(None);
    let text = sample.to_string();
    assert!(!text.contains('\n'), "an event of one line: {text:?}");
    for rate in sample["codes"]
        .as_object()
        .into_iter()
        .flat_map(|codes| codes.values())
    {
        assert!(rate.as_f64().is_none_or(|rate| rate > 0.0), "{text}");
    }
    if let Some(quantiles) = sample["latency"].as_array() {
        let quantiles: Vec<f64> = quantiles.iter().filter_map(serde_json::Value::as_f64).collect();
        assert!(quantiles.iter().all(|quantile| *quantile >= 0.0), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_makes_samples() {
        // There is no corpus beside a published crate.
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        if !fuzz.is_dir() {
            return;
        }
        let mut files = 0;
        for entry in std::fs::read_dir(fuzz.join("corpus/admin_live")).expect("the target has a corpus") {
            super::replay(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "the corpus is empty");
    }
}
