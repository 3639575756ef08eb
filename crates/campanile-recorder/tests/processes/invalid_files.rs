//! Malformed files, unusable directories and full disks.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use campanile_recorder::CellRecorder;
use metrics::Recorder;

use super::{
    METADATA, TestDirectory,
    child::{self, Child, program},
    count, key, lock, render,
    totals::StopOnDrop,
    value,
};

fn open(directory: &TestDirectory) -> CellRecorder {
    CellRecorder::builder().open(directory.path()).expect("opens")
}

/// Returns the bytes of the only process file.
fn cells(directory: &TestDirectory) -> Vec<u8> {
    let [path] = &*directory.cells() else {
        panic!("not one file: {:?}", directory.names())
    };
    fs::read(path).expect("can be read")
}

/// Writes a file into the directory.
fn put(directory: &TestDirectory, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, bytes).expect("can be written");
    path
}

fn skipped(text: &str, reason: &str) -> Option<f64> {
    value(
        text,
        &format!("campanile_recorder_skipped_files{{reason=\"{reason}\"}}"),
    )
}

#[test]
fn two_files_of_the_same_pid_are_told_apart() {
    let directory = TestDirectory::new("pid");
    let (dead, alive) = (open(&directory), open(&directory));
    for recorder in [&dead, &alive] {
        count(recorder, "hits_total", 1);
        recorder.register_gauge(&key("level", &[]), &METADATA).set(2.0);
    }
    assert_eq!(value(&render(&alive), "level"), Some(4.0));
    drop(dead);
    let text = render(&alive);
    assert_eq!(value(&text, "level"), Some(2.0), "{text}");
    assert_eq!(value(&text, "hits_total"), Some(2.0), "{text}");
}

#[test]
fn truncated_files_are_skipped_and_left_alone() {
    let directory = TestDirectory::new("cut");
    let recorder = open(&directory);
    count(&recorder, "hits_total", 1);
    let complete = cells(&directory);
    for len in [
        0,
        1,
        8,
        64,
        128,
        1_000,
        4_095,
        4_096,
        8_192,
        complete.len() - 8,
        complete.len() - 1,
    ] {
        let path = put(&directory, "campanile-1-1-cut.cells", &complete[..len]);
        let text = render(&recorder);
        assert_eq!(value(&text, "hits_total"), Some(1.0), "{len} bytes: {text}");
        assert_eq!(skipped(&text, "damaged"), Some(1.0), "{len} bytes: {text}");
        assert_eq!(fs::read(path).expect("still exists"), complete[..len]);
    }
    // Complete, it is the file of an exited process.
    put(&directory, "campanile-1-1-cut.cells", &complete);
    let text = render(&recorder);
    assert_eq!(value(&text, "hits_total"), Some(2.0), "{text}");
    assert_eq!(skipped(&text, "damaged"), None, "{text}");
}

#[test]
fn a_file_truncated_while_mapped_is_skipped() {
    let directory = TestDirectory::new("cut-later");
    let recorder = open(&directory);
    count(&recorder, "hits_total", 1);
    let path = put(&directory, "campanile-1-1-later.cells", &cells(&directory));
    let _alive = lock(&path);
    assert_eq!(value(&render(&recorder), "hits_total"), Some(2.0));
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_len(4_096))
        .expect("can be truncated");
    let text = render(&recorder);
    assert_eq!(value(&text, "hits_total"), Some(1.0), "{text}");
    assert_eq!(skipped(&text, "damaged"), Some(1.0), "{text}");
}

/// Reads twice a second as the live page does, while another process truncates files and punches holes into them.
#[test]
fn truncating_files_of_others_ends_no_reader() {
    let directory = TestDirectory::new("cut-often");
    let recorder = open(&directory);
    for index in 0..200 {
        let index = index.to_string();
        recorder
            .register_counter(&key("ids_total", &[("index", &index)]), &METADATA)
            .increment(1);
    }
    let path = put(&directory, "campanile-1-1-often.cells", &cells(&directory));
    let _alive = lock(&path);
    let mut child = Child::spawn(directory.path());
    child.call("count hits_total 1");
    let length = fs::metadata(&path).expect("exists").len();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A panic here must not leave the other thread running.
        let stops = StopOnDrop(&stop);
        scope.spawn(|| {
            let bytes = fs::read(&path).expect("can be read");
            let file = fs::OpenOptions::new().write(true).open(&path).expect("opens");
            for round in 0_u64.. {
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                file.set_len(round * 617 % length).expect("can be truncated");
                // Longer again, with a hole.
                file.set_len(length).expect("can be extended");
                std::os::unix::fs::FileExt::write_all_at(&file, &bytes, 0).expect("can be written");
            }
        });
        for _ in 0..200 {
            let text = child.call("scrape");
            assert_eq!(value(&text, "hits_total"), Some(1.0), "{text}");
        }
        drop(stops);
    });
    let text = child.call("scrape");
    assert_eq!(value(&text, "ids_total{index=\"7\"}"), Some(2.0), "{text}");
    assert_eq!(skipped(&text, "damaged"), None, "{text}");
}

#[test]
fn whole_records_of_a_truncated_file_are_used() {
    let directory = TestDirectory::new("cut-records");
    let other = open(&directory);
    // The first block has the words of one thread; later ones are at the end of the file.
    for index in 0..2_000 {
        let index = index.to_string();
        other
            .register_counter(&key("ids_total", &[("index", &index)]), &METADATA)
            .increment(1);
    }
    let path = &directory.cells()[0];
    let recorder = open(&directory);
    let length = fs::metadata(path).expect("exists").len();
    let complete = fs::read(path).expect("can be read");
    let copy = put(
        &directory,
        "campanile-1-1-cut.cells",
        &complete[..length as usize - 4_096],
    );
    let _alive = lock(&copy);
    let text = render(&recorder);
    assert_eq!(skipped(&text, "damaged"), Some(1.0), "{text}");
    assert_eq!(value(&text, "ids_total{index=\"0\"}"), Some(2.0), "{text}");
    assert_eq!(value(&text, "ids_total{index=\"1999\"}"), Some(1.0), "{text}");
    drop(other);
}

#[test]
fn foreign_files_with_a_valid_name_are_skipped() {
    let directory = TestDirectory::new("foreign");
    let recorder = open(&directory);
    count(&recorder, "hits_total", 1);
    put(
        &directory,
        "campanile-1-1-text.cells",
        &b"no such file at all, ".repeat(1_000),
    );
    put(&directory, "campanile-1-1-zero.cells", &[0; 8_192]);
    fs::create_dir(directory.path().join("campanile-1-1-directory.cells")).expect("can be created");
    std::os::unix::fs::symlink("/dev/zero", directory.path().join("campanile-1-1-link.cells"))
        .expect("can be created");
    let pipe = directory.path().join("campanile-1-1-pipe.cells");
    let made = Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .expect("mkfifo is installed");
    assert!(made.success(), "{made}");
    put(&directory, "README", b"not ours");
    let text = render(&recorder);
    assert_eq!(value(&text, "hits_total"), Some(1.0), "{text}");
    let all = skipped(&text, "damaged").unwrap_or(0.0) + skipped(&text, "unreadable").unwrap_or(0.0);
    assert_eq!(all, 5.0, "{text}");
    assert!(directory.names().contains(&"README".to_owned()));
}

#[test]
fn a_metric_with_the_name_of_an_own_one_is_replaced() {
    let directory = TestDirectory::new("own-name");
    let recorder = open(&directory);
    recorder
        .register_gauge(&key("campanile_recorder_skipped_files", &[]), &METADATA)
        .set(7.0);
    put(&directory, "campanile-1-1-text.cells", b"no such file");
    let text = render(&recorder);
    assert_eq!(
        text.matches("# TYPE campanile_recorder_skipped_files").count(),
        1,
        "{text}"
    );
    assert_eq!(skipped(&text, "damaged"), Some(1.0), "{text}");
}

#[test]
fn a_directory_of_another_user_is_refused() {
    let directory = TestDirectory::new("owner");
    fs::create_dir(directory.path()).expect("can be created");
    if std::os::unix::fs::chown(directory.path(), Some(65_534), None).is_err() {
        println!("skipped: only root may change owners");
        return;
    }
    let error = CellRecorder::builder()
        .open(directory.path())
        .expect_err("the owner could replace every file");
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{error}");
}

#[test]
fn files_of_another_major_version_are_left_alone() {
    let directory = TestDirectory::new("version");
    let recorder = open(&directory);
    count(&recorder, "hits_total", 1);
    let mut bytes = cells(&directory);
    let by_name = put(&directory, "campanile-2-1-00.cells", &bytes);
    // The major version is the high half of the second word.
    let major = if cfg!(target_endian = "little") { 12 } else { 11 };
    bytes[major] = 2;
    let by_header = put(&directory, "campanile-1-1-00.cells", &bytes);
    for _ in 0..2 {
        let text = render(&recorder);
        assert_eq!(value(&text, "hits_total"), Some(1.0), "{text}");
        assert_eq!(skipped(&text, "version"), Some(2.0), "{text}");
    }
    assert!(by_name.exists() && by_header.exists());
}

#[test]
fn records_of_a_later_minor_version_are_skipped_and_the_file_is_kept() {
    let directory = TestDirectory::new("minor");
    let recorder = open(&directory);
    // The first record, after the header of 128 bytes, becomes one of an unknown kind.
    recorder.describe_counter("hits_total".into(), None, "Hits.".into());
    count(&recorder, "hits_total", 1);
    let mut bytes = cells(&directory);
    let kind = if cfg!(target_endian = "little") { 128 } else { 135 };
    assert_eq!(bytes[kind], 4, "a description");
    bytes[kind] = 99;
    let later = put(&directory, "campanile-1-1-00.cells", &bytes);
    for _ in 0..2 {
        let text = render(&recorder);
        assert_eq!(value(&text, "hits_total"), Some(2.0), "{text}");
        assert_eq!(skipped(&text, "version"), None, "{text}");
    }
    assert!(
        later.exists(),
        "an archive of this version would lose the unknown record"
    );
}

#[test]
fn a_damaged_archive_is_renamed() {
    let directory = TestDirectory::new("archive");
    let (dead, recorder) = (open(&directory), open(&directory));
    count(&dead, "hits_total", 4);
    count(&recorder, "hits_total", 1);
    drop(dead);
    assert_eq!(value(&render(&recorder), "hits_total"), Some(5.0));
    let path = directory.path().join("campanile-1.archive");
    let mut bytes = fs::read(&path).expect("was written");
    // A bit of a count, which only the checksum detects.
    let last = bytes.len() - 16;
    bytes[last] ^= 1;
    fs::remove_file(&path).expect("can be removed");
    fs::write(&path, bytes).expect("can be written");
    for _ in 0..2 {
        assert_eq!(value(&render(&recorder), "hits_total"), Some(1.0));
    }
    let names = directory.names();
    assert!(
        names.contains(&"campanile-1.archive.damaged".to_owned()),
        "{names:?}"
    );
    assert!(!names.contains(&"campanile-1.archive".to_owned()), "{names:?}");
}

#[test]
fn a_missing_directory_is_created_with_mode_0700() {
    let directory = TestDirectory::new("missing");
    let inner = directory.path().join("a/b");
    let recorder = CellRecorder::builder().open(&inner).expect("opens");
    assert_eq!(recorder.directory(), Some(inner.clone()));
    let mode = fs::metadata(&inner).expect("exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn an_impossible_directory_is_an_error_with_path_and_reason() {
    let directory = TestDirectory::new("impossible");
    fs::create_dir(directory.path()).expect("can be created");
    let file = put(&directory, "file", b"");
    for path in [file.clone(), file.join("below")] {
        let error = CellRecorder::builder()
            .open(&path)
            .expect_err("is not a directory");
        assert_eq!(error.path(), path);
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()), "{text}");
        assert!(text.starts_with("cannot create directory "), "{text}");
    }
    // Not even root can create files in /proc.
    let path = Path::new("/proc/self");
    if path.exists() {
        let error = CellRecorder::builder()
            .open(path)
            .expect_err("cannot be written to");
        assert!(error.to_string().contains("/proc/self"), "{error}");
    }
}

#[test]
fn a_read_only_directory_is_an_error() {
    let directory = TestDirectory::new("read-only");
    fs::create_dir(directory.path()).expect("can be created");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).expect("belongs to this user");
    let mut child = child::command(directory.path());
    if CellRecorder::builder().open(directory.path()).is_ok() {
        // Root may write anywhere, so the child runs as an unprivileged user.
        child.uid(65_534).gid(65_534);
    }
    match child.output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            let expected = format!(
                "@cannot create a file in {}: Permission denied",
                directory.path().display()
            );
            assert!(text.contains(&expected), "{output:?}");
        }
        Err(error) => println!("skipped: an unprivileged user may not run this program: {error}"),
    }
}

/// Checks that every registration was recorded or counted as lost.
fn assert_accounted(text: &str, registered: usize) {
    let counted = text.lines().filter(|line| line.starts_with("ids_total{")).count();
    assert!(counted > 0 && counted < registered, "{counted} recorded: {text}");
    let lost: f64 = text
        .lines()
        .filter(|line| line.starts_with("campanile_recorder_lost_registrations_total{"))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum();
    assert_eq!(counted + lost as usize, registered, "{text}");
}

#[test]
fn a_file_at_its_size_limit_loses_registrations() {
    let directory = TestDirectory::new("file-limit");
    let mut shell = Command::new("sh");
    // In blocks of 512 bytes, in some shells 1024.
    shell
        .args(["-c", "ulimit -f 48 && exec \"$0\" \"$@\""])
        .arg(program());
    let mut child = Child::spawn_by(shell, directory.path());
    child.call("series ids_total 2000");
    assert_accounted(&child.call("scrape"), 2_000);
    assert_accounted(&render(&open(&directory)), 2_000);
    child.kill();
    assert_accounted(&render(&open(&directory)), 2_000);
}

#[test]
fn an_archive_beyond_the_size_limit_is_left_to_other_processes() {
    let directory = TestDirectory::new("archive-limit");
    let alive = open(&directory);
    let dead = |prefix: &str| {
        let recorder = open(&directory);
        for index in 0..200 {
            let labels = [("index", &*format!("{prefix}{index}"))];
            recorder
                .register_counter(&key("ids_total", &labels), &METADATA)
                .increment(1);
        }
        recorder
    };
    drop(["a", "b", "c", "d", "e", "f"].map(dead));
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -f 48 && exec \"$0\" \"$@\""])
        .arg(program());
    let mut child = Child::spawn_by(shell, directory.path());
    let counted = |text: &str| text.lines().filter(|line| line.starts_with("ids_total{")).count();
    assert_eq!(counted(&child.call("scrape")), 1_200);
    assert!(!directory.path().join("campanile-1.archive").exists());
    assert_eq!(counted(&render(&alive)), 1_200);
    assert!(directory.path().join("campanile-1.archive").exists());
}

/// A file system of 128 KiB, unmounted when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path) -> Option<Self> {
        fs::create_dir_all(path).expect("can be created");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=128k,nr_inodes=32", "none"])
            .arg(path)
            .output();
        mount
            .is_ok_and(|output| output.status.success())
            .then_some(Self(path))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_loses_registrations_and_kills_no_process() {
    let directory = TestDirectory::new("full");
    let Some(_disk) = SmallDisk::mount(directory.path()) else {
        println!("skipped: only root may mount a file system");
        return;
    };
    let mut child = Child::spawn(directory.path());
    let mut early = Child::spawn(directory.path());
    early.call("count load_total 1");
    child.call("series ids_total 5000");
    let filler = put(&directory, "filler", b"");
    let mut len = 0;
    while fs::write(&filler, vec![1; len + 4_096]).is_ok() {
        len += 4_096;
    }
    // A thread without space for its own cells uses the shared ones.
    early.call("load load_total");
    let counted = (0..1_000).any(|_| value(&early.call("scrape"), "load_total") > Some(1.0));
    assert!(counted, "no increment of the thread in a thousand scrapes");
    assert_accounted(&early.call("scrape"), 5_000);
    let error = CellRecorder::builder()
        .open(directory.path())
        .expect_err("the disk is full");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
    // The counts of exited processes are included even without space for an archive.
    child.kill();
    for _ in 0..2 {
        assert_accounted(&early.call("scrape"), 5_000);
    }
    fs::remove_file(&filler).expect("can be removed");
    assert_accounted(&early.call("scrape"), 5_000);
}

#[test]
fn refused_series_count_once_there_is_space() {
    let directory = TestDirectory::new("refused-series");
    let Some(_disk) = SmallDisk::mount(directory.path()) else {
        println!("skipped: only root may mount a file system");
        return;
    };
    let recorder = open(&directory);
    count(&recorder, "hits_total", 1);
    let filler = put(&directory, "filler", b"");
    let mut len = 0;
    while fs::write(&filler, vec![1; len + 4_096]).is_ok() {
        len += 4_096;
    }
    // Fills the block.
    let mut index = 0;
    while !render(&recorder).contains("campanile_recorder_lost_registrations_total") {
        index += 1;
        assert!(index < 10_000, "the disk is never full");
        let index = index.to_string();
        let _counter = recorder.register_counter(&key("ids_total", &[("index", &index)]), &METADATA);
    }
    let counter = recorder.register_counter(&key("refused_total", &[]), &METADATA);
    let gauge = recorder.register_gauge(&key("refused_level", &[]), &METADATA);
    let raised = recorder.register_gauge(&key("refused_set", &[]), &METADATA);
    let histogram = recorder.register_histogram(&key("refused_seconds", &[]), &METADATA);
    let absolute = recorder.register_counter(&key("absolute_total", &[]), &METADATA);
    let all = || {
        counter.increment(1);
        gauge.increment(2.0);
        raised.set(5.0);
        raised.decrement(1.0);
        histogram.record(0.5);
        absolute.absolute(7);
    };
    all();
    let text = render(&recorder);
    assert_eq!(value(&text, "refused_total"), None, "{text}");
    fs::remove_file(&filler).expect("can be removed");
    let mut times = 1.0;
    let counted = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        all();
        times += 1.0;
        value(&render(&recorder), "refused_total").is_some()
    });
    assert!(counted, "not within 10 s");
    // Those after the first in that round found no cells yet, if the interval began again.
    all();
    times += 1.0;
    let text = render(&recorder);
    assert_eq!(value(&text, "refused_total"), Some(times), "{text}");
    assert_eq!(value(&text, "refused_level"), Some(2.0 * times), "{text}");
    assert_eq!(value(&text, "refused_set"), Some(4.0), "{text}");
    assert_eq!(value(&text, "absolute_total"), Some(7.0), "{text}");
    assert!(value(&text, "refused_seconds_count") >= Some(2.0), "{text}");
    let other = open(&directory);
    assert_eq!(value(&render(&other), "refused_total"), Some(times));
}

#[test]
fn a_full_disk_at_the_start_is_an_error_unless_metrics_may_be_unshared() {
    let directory = TestDirectory::new("unshared");
    let Some(_disk) = SmallDisk::mount(directory.path()) else {
        println!("skipped: only root may mount a file system");
        return;
    };
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).expect("is owned");
    let unshared = |reason: &str| {
        CellRecorder::builder()
            .open(directory.path())
            .expect_err("has no space");
        let builder = CellRecorder::builder().with_unshared_fallback(true);
        let recorder = builder.open(directory.path()).expect("needs no directory");
        count(&recorder, "hits_total", 1);
        let text = render(&recorder);
        let series = format!("campanile_recorder_unshared{{reason=\"{reason}\"}}");
        assert_eq!(value(&text, &series), Some(1.0), "{text}");
        assert_eq!(value(&text, "hits_total"), Some(1.0), "{text}");
        assert_eq!(recorder.directory(), None);
        assert!(recorder.is_writer());
    };
    // No inodes.
    let mut names = 0;
    while fs::write(directory.path().join(format!("filler-{names}")), "").is_ok() {
        names += 1;
    }
    unshared("full");
    for name in 0..names {
        fs::remove_file(directory.path().join(format!("filler-{name}"))).expect("can be removed");
    }
    // No blocks.
    let filler = put(&directory, "filler", b"");
    let mut len = 0;
    while fs::write(&filler, vec![1; len + 4_096]).is_ok() {
        len += 4_096;
    }
    unshared("full");
    fs::remove_file(&filler).expect("can be removed");
    let remounted = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(directory.path())
        .status();
    assert!(remounted.is_ok_and(|status| status.success()));
    unshared("read_only");
}
