//! Parses arbitrary bytes as a file, for the fuzz target and the test that replays its corpus.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    Format, Snapshot,
    processes::{
        archive,
        file_reader::FileReader,
        layout::header,
        parser::{ParsedFile, SkipReason},
        totals::{Liveness, Totals},
    },
};

/// Parses bytes as a file, renders the contents, archives them and parses the archive.
///
/// # Errors
///
/// If the bytes are not a valid file.
///
/// # Panics
///
/// If archiving changes the contents.
#[cfg_attr(test, expect(unreachable_pub, reason = "exported for the fuzz target"))]
pub fn replay(bytes: &[u8]) -> Result<String, String> {
    let (words, _) = bytes.as_chunks::<8>();
    let words: Vec<AtomicU64> = words
        .iter()
        .map(|word| AtomicU64::new(u64::from_ne_bytes(*word)))
        .collect();
    let parsed = read(&words).map_err(|reason| format!("{reason:?}"))?;
    let rendered = snapshot(&parsed, &words, Liveness::Alive).render(Format::OpenMetrics);

    let mut totals = Totals::default();
    totals.add(&parsed, &words, Liveness::Exited, "");
    let archived = archive::encode(totals, &["a-name".to_owned()], SERIES_LIMIT);
    let archived: Vec<AtomicU64> = archived.into_iter().map(AtomicU64::new).collect();
    let archive = read(&archived).expect("an encoded archive is valid");
    assert_eq!(
        snapshot(&archive, &archived, Liveness::Exited),
        snapshot(&parsed, &words, Liveness::Exited),
        "archiving changes nothing"
    );
    Ok(rendered)
}

/// Reads bytes from a file, cut to the length in the first two bytes and long again between reads, as another process can
/// cut the file of this one.
///
/// # Panics
///
/// If what is read depends on what was read before.
#[cfg_attr(test, expect(unreachable_pub, reason = "exported for the fuzz target"))]
pub fn replay_file(input: &[u8]) {
    let Some((cut, bytes)) = input.split_first_chunk::<2>() else {
        return;
    };
    let cut = u64::from(u16::from_le_bytes(*cut)) * 4;
    let file = unnamed_file();
    let mut reader = FileReader::new();
    let mut kept = None;
    for len in [
        bytes.len() as u64,
        cut.min(bytes.len() as u64),
        bytes.len() as u64,
    ] {
        file.set_len(0).expect("can be truncated");
        file.write_all_at(bytes, 0).expect("there is space");
        file.set_len(len).expect("can be truncated");
        let mut parsed = None;
        let read = reader.read(&file, &mut parsed);
        // As text, since a gauge that is not a number differs from itself.
        let text = |parsed: &ParsedFile, words: &[AtomicU64]| {
            snapshot(parsed, words, Liveness::Alive).render(Format::OpenMetrics)
        };
        let fresh = parsed.map(|parsed| text(&parsed, reader.words()));
        if read.is_ok() {
            let committed = reader.words()[header::COMMITTED].load(Relaxed);
            assert!(committed <= len / 8, "{committed} words of a file of {len} bytes");
        }
        let again = reader.read(&file, &mut kept);
        assert_eq!(again, read);
        assert_eq!(kept.as_ref().map(|parsed| text(parsed, reader.words())), fresh);
        // As in a scan.
        kept = kept.filter(|_| again.is_ok());
    }
}

/// Returns a new file without a name, in memory if possible.
fn unnamed_file() -> File {
    let memory = std::path::Path::new("/dev/shm");
    let directory = if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let name = format!(
        "campanile-replay-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    );
    let path = directory.join(name);
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .expect("can be created");
    std::fs::remove_file(path).expect("was created");
    file
}

/// More than fits into the input of a fuzzer.
const SERIES_LIMIT: usize = 100;

fn read(words: &[AtomicU64]) -> Result<ParsedFile, SkipReason> {
    let mut parsed = ParsedFile::new(words)?;
    parsed.extend(words, ParsedFile::committed(words)?)?;
    Ok(parsed)
}

fn snapshot(parsed: &ParsedFile, words: &[AtomicU64], liveness: Liveness) -> Snapshot {
    let mut totals = Totals::default();
    totals.add(parsed, words, liveness, "");
    let (families, _) = totals.into_families(SERIES_LIMIT);
    Snapshot { families }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use metrics::{Key, Label, Level, Metadata, Recorder, Unit};

    use super::*;
    use crate::{
        CellRecorder,
        processes::layout::{HEADER_LEN, MAGIC, VERSION, header},
    };

    /// Returns the corpus of a target; empty in a published crate, which has none.
    fn corpus_of(target: &str) -> Vec<(String, Vec<u8>)> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fuzz/corpus")
            .join(target);
        let Ok(entries) = std::fs::read_dir(directory) else {
            return Vec::new();
        };
        let mut files: Vec<_> = entries
            .map(|entry| entry.expect("is listed"))
            .map(|entry| {
                let name = entry.file_name().into_string().expect("is text");
                (name, std::fs::read(entry.path()).expect("can be read"))
            })
            .collect();
        files.sort();
        files
    }

    fn corpus() -> Vec<(String, Vec<u8>)> {
        corpus_of("cells")
    }

    #[test]
    fn a_file_reads_the_same_whatever_was_read_before() {
        for (_, input) in corpus_of("shared_file") {
            replay_file(&input);
        }
        for (_, bytes) in corpus().iter().filter(|(_, bytes)| bytes.len() <= 64 * 1_024) {
            for cut in (0..bytes.len() / 4).step_by(97) {
                replay_file(&[&(cut as u16).to_le_bytes(), &**bytes].concat());
            }
        }
    }

    #[test]
    fn every_corpus_file_is_parsed_or_rejected() {
        let files = corpus();
        let parsed = files.iter().filter(|(_, bytes)| replay(bytes).is_ok()).count();
        // The corpus was written by little-endian machines.
        if !files.is_empty() && cfg!(target_endian = "little") {
            assert!(parsed >= 3, "only {parsed} of {} files are valid", files.len());
            assert!(parsed < files.len(), "all {parsed} files are valid");
        }
    }

    /// Flips every seventh bit of the header and the beginning of the journal.
    #[test]
    fn flipped_bits_never_panic() {
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

    /// Run `cargo test -p campanile-recorder --lib corpus -- --ignored` after a change of the layout.
    #[test]
    #[ignore = "rewrites the handmade corpus files"]
    fn write_the_corpus() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/cells");
        std::fs::create_dir_all(&corpus).expect("can be created");
        let put = |name: &str, bytes: &[u8]| {
            std::fs::write(corpus.join(name), bytes).expect("can be written");
        };
        let directory =
            std::env::temp_dir().join(format!("campanile-recorder-corpus-{}", std::process::id()));
        let one = process_file_bytes(&directory, 1);
        let many = process_file_bytes(&directory, 150);
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
        put("other-byte-order", &changed(header::MAGIC, MAGIC.swap_bytes()));
        put("other-major-version", &changed(header::VERSION, 2 << 32));
        put("later-minor-version", &changed(header::VERSION, VERSION + 7));
        put("other-role", &changed(header::ROLE, 3));
        put("committed-too-much", &changed(header::COMMITTED, u64::MAX));
        // The first record becomes one of an unknown kind of the same length.
        let first = u64::from_ne_bytes(
            one[HEADER_LEN * 8..HEADER_LEN * 8 + 8]
                .try_into()
                .expect("is a word"),
        );
        put("unknown-record", &changed(HEADER_LEN, first >> 32 << 32 | 99));
        let corpus = corpus.with_file_name("shared_file");
        std::fs::create_dir_all(&corpus).expect("can be created");
        for (name, bytes, cut) in [
            ("process", &one, 1_500_u16),
            ("process-cut-head", &one, 40),
            ("process-long-journal", &many, 3_000),
            ("archive", &archive, 300),
        ] {
            std::fs::write(corpus.join(name), [&cut.to_le_bytes(), &**bytes].concat())
                .expect("can be written");
        }
        put(
            "record-without-end",
            &changed(HEADER_LEN, first | 0xffff_ffff << 32),
        );
    }

    /// Returns the bytes of a process file.
    fn process_file_bytes(directory: &Path, series: u64) -> Vec<u8> {
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
            .expect("has a directory")
            .process_file()
            .name();
        std::fs::read(directory.join(&*name)).expect("can be read")
    }
}
