//! The fuzz target of the live page's samples, and the test that runs its corpus.

use std::time::Duration;

use super::sample::SampleInput;
use super::totals::TotalsReader;

/// Treats `bytes` as two metrics texts, separated by a blank line, and checks the sample that is derived from them.
///
/// # Panics
///
/// Panics if the totals depend on how the text is cut into chunks, or if the sample is invalid.
#[cfg_attr(
    test,
    expect(unreachable_pub, reason = "the fuzz target calls it through the crate root")
)]
pub fn check_samples(bytes: &[u8]) {
    let middle = bytes.windows(2).position(|two| two == b"\n\n");
    let (before, now) = bytes.split_at(middle.map_or(0, |middle| middle + 1));
    let read = |text: &[u8], chunk_size: usize| {
        let mut reader = TotalsReader::default();
        text.chunks(chunk_size).for_each(|chunk| reader.feed(chunk));
        reader.finish()
    };
    let [before, now_whole] = [before, now].map(|text| read(text, usize::MAX));
    assert_eq!(read(now, 3), now_whole, "totals must not depend on chunks");
    let input = SampleInput {
        before: Some(&before),
        now: Some(&now_whole),
        elapsed: Duration::from_secs(1),
    };
    let sample = input.to_json(None, None);
    let text = sample.to_string();
    assert!(!text.contains('\n'), "an event has one line: {text:?}");
    let codes = sample["codes"].as_object().into_iter().flatten();
    for (_, rate) in codes {
        assert!(rate.as_f64().is_none_or(|rate| rate > 0.0), "{text}");
    }
    let quantiles = sample["latency"].as_array().into_iter().flatten();
    for quantile in quantiles.filter_map(serde_json::Value::as_f64) {
        assert!(quantile >= 0.0, "{text}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_yields_valid_samples() {
        // A published crate has no corpus.
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        if !fuzz.is_dir() {
            return;
        }
        let mut files = 0;
        for entry in std::fs::read_dir(fuzz.join("corpus/admin_live")).expect("the target has a corpus") {
            super::check_samples(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "the corpus is empty");
    }
}
