//! Reads any bytes as a file, for the fuzzer and for the test that replays what it found.

use std::sync::atomic::AtomicU64;

use crate::{
    Format, Snapshot,
    processes::{
        archive,
        contents::{Contents, Unread},
        totals::{Life, Totals},
    },
};

/// Reads bytes as a file, renders what they hold, folds it and reads that back.
///
/// # Errors
///
/// Where the bytes are no file.
///
/// # Panics
///
/// Where something is lost on the way.
#[cfg_attr(
    test,
    expect(unreachable_pub, reason = "the fuzzer reaches it, by the crate's root")
)]
pub fn replay(bytes: &[u8]) -> Result<String, String> {
    let (words, _) = bytes.as_chunks::<8>();
    let words: Vec<AtomicU64> = words
        .iter()
        .map(|word| AtomicU64::new(u64::from_ne_bytes(*word)))
        .collect();
    let contents = read(&words).map_err(|unread| format!("{unread:?}"))?;
    let rendered = snapshot(&contents, &words, Life::Live).render(Format::OpenMetrics);

    let mut totals = Totals::default();
    totals.add(&contents, &words, Life::Dead);
    let folded = archive::to_words(totals, &["a-name".to_owned()], LIMIT);
    let folded: Vec<AtomicU64> = folded.into_iter().map(AtomicU64::new).collect();
    let archive = read(&folded).expect("what is written can be read");
    assert_eq!(
        snapshot(&archive, &folded, Life::Dead),
        snapshot(&contents, &words, Life::Dead),
        "folding changes nothing"
    );
    Ok(rendered)
}

/// Enough for whatever fits into what a fuzzer makes.
const LIMIT: usize = 100;

fn read(words: &[AtomicU64]) -> Result<Contents, Unread> {
    let mut contents = Contents::new(words)?;
    contents.extend(words, Contents::committed(words)?)?;
    Ok(contents)
}

fn snapshot(contents: &Contents, words: &[AtomicU64], life: Life) -> Snapshot {
    let mut totals = Totals::default();
    totals.add(contents, words, life);
    let (families, _) = totals.into_families(LIMIT);
    Snapshot { families }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use metrics::{Key, Label, Level, Metadata, Recorder, Unit};

    use super::*;
    use crate::{
        CellRecorder,
        processes::layout::{HEADER, MAGIC, VERSION, at},
    };

    /// The corpus, if this is a checkout and not a published crate.
    fn corpus() -> Vec<(String, Vec<u8>)> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/cells");
        let Ok(entries) = std::fs::read_dir(directory) else {
            return Vec::new();
        };
        let mut files: Vec<_> = entries
            .map(|entry| entry.expect("is there"))
            .map(|entry| {
                let name = entry.file_name().into_string().expect("is text");
                (name, std::fs::read(entry.path()).expect("can be read"))
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn the_corpus_ends_in_text_or_in_a_reason() {
        let files = corpus();
        let read = files.iter().filter(|(_, bytes)| replay(bytes).is_ok()).count();
        // Written by little-endian machines.
        if !files.is_empty() && cfg!(target_endian = "little") {
            assert!(read >= 3, "only {read} of {} files are read", files.len());
            assert!(read < files.len(), "all {read} files are read");
        }
    }

    /// Whatever a bit is, it ends; here in the header and in the journal, every seventh to be done soon.
    #[test]
    fn any_bit_may_be_wrong() {
        for (name, bytes) in corpus().iter().filter(|(_, bytes)| bytes.len() <= 16 * 1_024) {
            if replay(bytes).is_err() {
                continue;
            }
            let mut bytes = bytes.clone();
            for bit in (0..bytes.len() * 8).take(12_000).step_by(7) {
                bytes[bit / 8] ^= 1 << (bit % 8);
                let ended = std::panic::catch_unwind(|| drop(replay(&bytes)));
                assert!(ended.is_ok(), "{name}, bit {bit}");
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    /// `cargo test -p campanile-recorder --lib corpus -- --ignored`, after a change of the layout.
    #[test]
    #[ignore = "writes the files of the corpus anew that are made by hand"]
    fn writes_the_corpus() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/cells");
        std::fs::create_dir_all(&corpus).expect("can be made");
        let put = |name: &str, bytes: &[u8]| {
            std::fs::write(corpus.join(name), bytes).expect("can be written");
        };
        let directory =
            std::env::temp_dir().join(format!("campanile-recorder-corpus-{}", std::process::id()));
        let one = file_of_a_process(&directory, 1);
        let many = file_of_a_process(&directory, 150);
        let archive = std::fs::read(directory.join("campanile-1.archive")).expect("was written");
        std::fs::remove_dir_all(&directory).expect("can be removed");
        put("process", &one);
        put("process-long-journal", &many);
        put("archive", &archive);
        for len in [0, 8, 127, 128, 4_096, 8_192] {
            put(&format!("cut-{len}"), &one[..len]);
        }
        put("cut-archive", &archive[..archive.len() / 16 * 8]);
        put("foreign", &b"no such file at all, ".repeat(100));
        put("zeros", &[0; 4_096]);
        let changed = |word: usize, value: u64| {
            let mut bytes = one.clone();
            bytes[word * 8..word * 8 + 8].copy_from_slice(&value.to_ne_bytes());
            bytes
        };
        put("other-byte-order", &changed(at::MAGIC, MAGIC.swap_bytes()));
        put("other-major-version", &changed(at::VERSION, 2 << 32));
        put("later-minor-version", &changed(at::VERSION, VERSION + 7));
        put("other-role", &changed(at::ROLE, 3));
        put("committed-too-much", &changed(at::COMMITTED, u64::MAX));
        // An unknown kind in the place of the first record, its length kept.
        let first = u64::from_ne_bytes(one[HEADER * 8..HEADER * 8 + 8].try_into().expect("is a word"));
        put("unknown-record", &changed(HEADER, first >> 32 << 32 | 99));
        put("record-without-end", &changed(HEADER, first | 0xffff_ffff << 32));
    }

    /// The bytes of a file in which a process has counted.
    fn file_of_a_process(directory: &Path, series: u64) -> Vec<u8> {
        let metadata = Metadata::new("test", Level::INFO, None);
        let recorder = CellRecorder::builder().open(directory).expect("opens");
        recorder.describe_histogram("wait_seconds".into(), Some(Unit::Seconds), "How long.".into());
        for index in 0..series {
            let labels = vec![Label::new("index", index.to_string())];
            recorder
                .register_counter(&Key::from_parts("hits_total", labels), &metadata)
                .increment(index + 1);
        }
        for name in ["level", "build_info", "process_open_fds"] {
            recorder
                .register_gauge(&Key::from_static_name(name), &metadata)
                .set(2.5);
        }
        let wait = recorder.register_histogram(&Key::from_static_name("wait_seconds"), &metadata);
        [0.001, 0.3, 700.0].iter().for_each(|value| wait.record(*value));
        let name = recorder
            .directory
            .as_ref()
            .expect("has one")
            .own()
            .name()
            .to_owned();
        std::fs::read(directory.join(name)).expect("can be read")
    }
}
