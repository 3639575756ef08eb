//! Files and directories removed under live processes.

use std::{fs, thread, time::Duration};

use campanile_recorder::CellRecorder;
use metrics::Recorder;

use super::{METADATA, TestDirectory, child::Child, count, key, render, value};

/// Waits until a condition holds, for longer than the five seconds that a process needs.
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let held = (0..1_000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        holds()
    });
    assert!(held, "not within 10 s: {what}");
}

fn remove_all(directory: &TestDirectory) {
    for name in directory.names() {
        fs::remove_file(directory.path().join(name)).expect("can be removed");
    }
}

#[test]
fn processes_find_each_other_again_after_their_files_were_removed() {
    let directory = TestDirectory::new("removed");
    let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
    let hits = recorder.register_counter(&key("hits_total", &[]), &METADATA);
    hits.increment(1);
    recorder.register_gauge(&key("level", &[]), &METADATA).set(2.0);
    let mut child = Child::spawn(directory.path());
    child.call("count hits_total 40");
    child.call("observe wait_seconds 0.25");
    assert!(recorder.is_writer());
    remove_all(&directory);
    // Counts of an old handle and of a new series, before and after.
    hits.increment(100);
    count(&recorder, "late_total", 5);
    wait_until("the counts are complete", || {
        let text = render(&recorder);
        value(&text, "hits_total") == Some(141.0)
            && value(&text, "wait_seconds_count") == Some(1.0)
            && value(&text, "campanile_recorder_restored_files_total") == Some(2.0)
    });
    hits.increment(1_000);
    for index in 0..500 {
        recorder
            .register_counter(&key("ids_total", &[("index", &index.to_string())]), &METADATA)
            .increment(1);
    }
    let child = std::cell::RefCell::new(child);
    wait_until("the child sees all", || {
        let text = child.borrow_mut().call("scrape");
        value(&text, "hits_total") == Some(1_141.0)
            && value(&text, "late_total") == Some(5.0)
            && value(&text, "level") == Some(2.0)
            && value(&text, "ids_total{index=\"499\"}") == Some(1.0)
    });
    assert!(
        recorder.is_writer(),
        "the lock file was removed, so it is taken again"
    );
    assert_eq!(child.borrow_mut().call("is writer"), "false\n");
    // A new process counts them once, when they are live and when they have exited.
    let third = CellRecorder::builder().open(directory.path()).expect("opens");
    assert_eq!(value(&render(&third), "hits_total"), Some(1_141.0));
    hits.increment(10_000);
    drop((recorder, hits));
    child.into_inner().kill();
    assert_eq!(value(&render(&third), "hits_total"), Some(11_141.0));
    assert_eq!(directory.cells().len(), 1, "{:?}", directory.names());
}

#[test]
fn a_file_that_was_replaced_is_made_again() {
    let directory = TestDirectory::new("replaced");
    let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
    count(&recorder, "hits_total", 1);
    let [path] = &*directory.cells() else {
        panic!("{:?}", directory.names())
    };
    let bytes = fs::read(path).expect("can be read");
    fs::remove_file(path).expect("can be removed");
    fs::write(path, b"another file").expect("can be written");
    let other = CellRecorder::builder().open(directory.path()).expect("opens");
    wait_until("the counts are found", || {
        value(&render(&other), "hits_total") == Some(1.0)
    });
    assert!(bytes.len() > 4_096);
    assert_eq!(fs::read(path).expect("is left alone"), b"another file");
}

#[test]
fn a_removed_directory_is_used_again() {
    for made_again in [true, false] {
        let directory = TestDirectory::new("removed-directory");
        let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
        count(&recorder, "hits_total", 7);
        fs::remove_dir_all(directory.path()).expect("can be removed");
        if made_again {
            fs::create_dir(directory.path()).expect("is gone");
        }
        wait_until("the directory has a file", || {
            directory.path().is_dir() && directory.cells().len() == 1
        });
        let other = CellRecorder::builder().open(directory.path()).expect("opens");
        wait_until("both processes see all", || {
            [&recorder, &other].into_iter().all(|recorder| {
                let text = render(recorder);
                value(&text, "hits_total") == Some(7.0)
                    && value(&text, "campanile_recorder_restored_directories_total") == Some(1.0)
            })
        });
    }
}

#[test]
fn a_renamed_directory_stays_in_use() {
    let directory = TestDirectory::new("renamed-directory");
    let aside = TestDirectory::new("renamed-aside");
    let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
    count(&recorder, "hits_total", 7);
    fs::rename(directory.path(), aside.path()).expect("can be renamed");
    fs::create_dir(directory.path()).expect("the name is free");
    thread::sleep(Duration::from_millis(2_500));
    assert_eq!(directory.names(), [""; 0]);
    let other = CellRecorder::builder().open(aside.path()).expect("opens");
    assert_eq!(value(&render(&other), "hits_total"), Some(7.0));
}

/// The process must not record in the second until it notices: no file mapping survives that.
#[test]
fn a_process_whose_file_was_truncated_records_on() {
    for len in [0, 100, 5_000] {
        let directory = TestDirectory::new("truncated");
        let mut child = Child::spawn(directory.path());
        child.call("count hits_total 40");
        child.call("series ids_total 300");
        let recorder = CellRecorder::builder().open(directory.path()).expect("opens");
        let own = child.pid().to_string();
        let paths = directory.cells();
        let path = paths
            .iter()
            .find(|path| path.to_string_lossy().contains(&format!("-{own}-")))
            .expect("is live");
        let before = fs::metadata(path).expect("exists").len();
        fs::File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len(len))
            .expect("can be truncated");
        wait_until("the file is whole", || {
            fs::metadata(path).is_ok_and(|metadata| metadata.len() >= before)
        });
        child.call("count hits_total 2");
        child.call("count after_total 3");
        wait_until("both processes see it", || {
            let text = render(&recorder);
            value(&text, "hits_total") == Some(2.0)
                && value(&text, "after_total") == Some(3.0)
                && value(&text, "campanile_recorder_skipped_files{reason=\"damaged\"}").is_none()
        });
        assert_eq!(value(&child.call("scrape"), "after_total"), Some(3.0));
    }
}
