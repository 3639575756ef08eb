//! Processes without file descriptors, and an archive that cannot be opened.

use campanile_recorder::CellRecorder;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::{TestDirectory, child::Child, count, render, value};

fn process(directory: &TestDirectory, hits: u64) -> CellRecorder {
    let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
    count(&recorder, "hits_total", hits);
    recorder
}

#[test]
fn without_descriptors_the_own_file_is_read_and_others_are_missed() {
    let directory = TestDirectory::new("known");
    let early = process(&directory, 10);
    let mut child = Child::spawn(directory.path());
    child.call("count hits_total 1");
    assert_eq!(value(&child.call("scrape"), "hits_total"), Some(11.0));
    child.call("count late_total 3");
    child.call("descriptors 0");
    let text = child.call("scrape");
    assert_eq!(value(&text, "hits_total"), Some(1.0), "{text}");
    assert_eq!(value(&text, "late_total"), Some(3.0), "{text}");
    let text = child.call("try");
    assert!(
        text.starts_with("error: "),
        "the early process is missing: {text}"
    );
    drop(early);
}

#[test]
fn a_first_scrape_without_descriptors_includes_the_own_process() {
    let directory = TestDirectory::new("first");
    let _other = process(&directory, 10);
    let mut child = Child::spawn(directory.path());
    child.call("count hits_total 1");
    child.call("descriptors 0");
    let text = child.call("scrape");
    assert_eq!(value(&text, "hits_total"), Some(1.0), "{text}");
}

#[test]
fn with_few_descriptors_a_snapshot_is_complete_or_an_error() {
    let directory = TestDirectory::new("few");
    drop(process(&directory, 1_000));
    let others: Vec<CellRecorder> = (0..4).map(|_| process(&directory, 10)).collect();
    let (mut errors, mut complete) = (0, 0);
    for more in 0..12 {
        let mut child = Child::spawn(directory.path());
        child.call("count hits_total 1");
        child.call(&format!("descriptors {more}"));
        let text = child.call("try");
        if text.starts_with("error: ") {
            errors += 1;
        } else {
            complete += 1;
            assert_eq!(
                value(&text, "hits_total"),
                Some(1_041.0 + more as f64),
                "{more} more: {text}"
            );
        }
        child.kill();
        // Archives the counts of the child.
        drop(render(&others[0]));
    }
    assert!(
        errors > 1 && complete > 2,
        "{errors} errors, {complete} complete snapshots"
    );
}

/// A scrape needs three descriptors, however many processes there are: for the directory, a file and the archive.
#[test]
fn hundreds_of_live_processes_are_read_with_three_descriptors() {
    const PROCESSES: usize = 400;
    let directory = TestDirectory::new("hundreds");
    let first = process(&directory, 1);
    let bytes = std::fs::read(&directory.cells()[0]).expect("can be read");
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("is not above the hard limit");
    let locks: Vec<_> = (0..PROCESSES)
        .map(|index| {
            let path = directory.path().join(format!("campanile-1-{index}-0.cells"));
            std::fs::write(&path, &bytes).expect("can be written");
            super::lock(&path)
        })
        .collect();
    let mut child = Child::spawn(directory.path());
    child.call("count hits_total 1");
    child.call("descriptors 3");
    for _ in 0..2 {
        let text = child.call("try");
        assert_eq!(value(&text, "hits_total"), Some(PROCESSES as f64 + 2.0), "{text}");
    }
    drop((first, locks));
}

#[test]
fn an_archive_that_cannot_be_opened_hides_no_process() {
    let directory = TestDirectory::new("link");
    let first = process(&directory, 1);
    let dead = process(&directory, 10);
    std::os::unix::fs::symlink("/dev/zero", directory.path().join("campanile-1.archive"))
        .expect("can be created");
    drop(dead);
    let third = process(&directory, 100);
    for recorder in [&first, &third] {
        let text = render(recorder);
        assert_eq!(value(&text, "hits_total"), Some(111.0), "{text}");
        let skipped = value(&text, "campanile_recorder_skipped_files{reason=\"unreadable\"}");
        assert_eq!(skipped, Some(1.0), "{text}");
        assert!(recorder.try_snapshot().is_ok(), "no later scrape can succeed");
    }
}
