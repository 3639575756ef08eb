//! Directories and files that other users may write to.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
};

use campanile_recorder::CellRecorder;

use super::{TestDirectory, child, child::Child, count, lock, render, value};

const OTHER_USER: u32 = 65_534;

fn open(directory: &TestDirectory) -> CellRecorder {
    CellRecorder::builder().open(directory.path()).expect("opens")
}

/// Creates a directory with a mode.
fn create(path: &Path, mode: u32) {
    fs::create_dir_all(path).expect("can be created");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("belongs to this user");
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn private(directory: &TestDirectory) -> PathBuf {
    directory.path().join(format!("campanile-{}", user()))
}

fn skipped(text: &str, reason: &str) -> Option<f64> {
    let series = format!("campanile_recorder_skipped_files{{reason=\"{reason}\"}}");
    value(text, &series)
}

#[test]
fn a_directory_open_to_others_is_used_through_a_private_subdirectory() {
    for mode in [0o777, 0o1777, 0o770, 0o2775, 0o702] {
        let directory = TestDirectory::new("open");
        create(directory.path(), mode);
        let recorder = open(&directory);
        count(&recorder, "hits_total", 1);
        assert_eq!(recorder.directory(), Some(private(&directory)));
        let metadata = fs::metadata(private(&directory)).expect("was created");
        assert_eq!(metadata.mode() & 0o777, 0o700, "in {mode:o}");
        assert_eq!(directory.names().len(), 1, "{:?}", directory.names());
        let mut child = Child::spawn(directory.path());
        child.call("count hits_total 4");
        assert_eq!(value(&render(&recorder), "hits_total"), Some(5.0));
    }
}

#[test]
fn an_open_directory_of_another_user_is_used_through_a_private_subdirectory() {
    let directory = TestDirectory::new("open-other");
    create(directory.path(), 0o777);
    if chown(directory.path(), Some(OTHER_USER), None).is_err() {
        println!("skipped: only root may change owners");
        return;
    }
    let recorder = open(&directory);
    assert_eq!(recorder.directory(), Some(private(&directory)));
}

#[test]
fn a_subdirectory_that_is_not_private_is_refused() {
    let refused = |why: &str, prepare: &dyn Fn(&Path)| {
        let directory = TestDirectory::new("refused");
        create(directory.path(), 0o777);
        prepare(&private(&directory));
        let error = CellRecorder::builder()
            .open(directory.path())
            .expect_err("cannot be trusted");
        let source = std::error::Error::source(&error).expect("says why");
        let text = format!("{error}: {source}");
        assert!(text.contains(why), "{text}");
        assert!(
            text.contains(private(&directory).to_str().expect("is text")),
            "{text}"
        );
        // Neither is private memory taken for it.
        let builder = CellRecorder::builder().with_unshared_fallback(true);
        builder.open(directory.path()).expect_err("is no lack of space");
    };
    for mode in [0o755, 0o770, 0o500] {
        refused("has mode", &|path| create(path, mode));
    }
    refused("cannot open directory", &|path| {
        symlink(std::env::temp_dir(), path).expect("can be created");
    });
    refused("cannot open directory", &|path| {
        fs::write(path, "").expect("can be written");
    });
    if user() == 0 {
        refused("belongs to user 65534", &|path| {
            create(path, 0o700);
            chown(path, Some(OTHER_USER), None).expect("is root");
        });
    }
}

#[test]
fn files_of_another_user_and_hard_links_count_nothing_and_stay() {
    let directory = TestDirectory::new("files");
    let recorder = open(&directory);
    count(&recorder, "hits_total", 1);
    let bytes = fs::read(&directory.cells()[0]).expect("can be read");
    let elsewhere = TestDirectory::new("elsewhere");
    create(elsewhere.path(), 0o700);
    let precious = elsewhere.path().join("precious");
    fs::write(&precious, &bytes).expect("can be written");
    let linked = directory.path().join("campanile-1-7-linked.cells");
    fs::hard_link(&precious, &linked).expect("is on one file system");
    let mut foreign = 1.0;
    let other = directory.path().join("campanile-1-7-other.cells");
    fs::write(&other, &bytes).expect("can be written");
    if chown(&other, Some(OTHER_USER), None).is_ok() {
        foreign += 1.0;
    } else {
        fs::remove_file(&other).expect("can be removed");
    }
    for _ in 0..2 {
        let text = render(&recorder);
        assert_eq!(value(&text, "hits_total"), Some(1.0), "{text}");
        assert_eq!(skipped(&text, "foreign"), Some(foreign), "{text}");
    }
    assert!(linked.exists() && precious.exists());
}

#[test]
fn an_archive_of_another_user_is_moved_aside() {
    let directory = TestDirectory::new("archive-owner");
    let recorder = open(&directory);
    let dead = open(&directory);
    count(&dead, "hits_total", 4);
    drop(dead);
    assert_eq!(value(&render(&recorder), "hits_total"), Some(4.0));
    let archive = directory.path().join("campanile-1.archive");
    if chown(&archive, Some(OTHER_USER), None).is_err() {
        println!("skipped: only root may change owners");
        return;
    }
    drop(recorder);
    let recorder = open(&directory);
    assert_eq!(value(&render(&recorder), "hits_total"), None);
    let dead = open(&directory);
    count(&dead, "hits_total", 2);
    drop(dead);
    assert_eq!(value(&render(&recorder), "hits_total"), Some(2.0));
    assert_eq!(fs::metadata(&archive).expect("was written").uid(), user());
}

#[test]
fn a_sparse_archive_is_not_read() {
    let directory = TestDirectory::new("sparse");
    create(directory.path(), 0o700);
    let archive = fs::File::create(directory.path().join("campanile-1.archive")).expect("can be created");
    // The header of an archive with an empty journal, whose checksum is that of all words.
    let header = [
        u64::from_ne_bytes(*b"campcell"),
        1 << 32,
        2,
        0,
        0,
        1 << 32 | 16,
        0,
    ];
    let header: Vec<u8> = header.into_iter().flat_map(u64::to_ne_bytes).collect();
    std::os::unix::fs::FileExt::write_all_at(&archive, &header, 0).expect("there is space");
    archive.set_len(1 << 42).expect("needs no space");
    let cells = fs::File::create(directory.path().join("campanile-1-1-0.cells")).expect("can be created");
    cells.set_len(1 << 42).expect("needs no space");
    let recorder = open(&directory);
    count(&recorder, "hits_total", 1);
    let text = render(&recorder);
    assert_eq!(value(&text, "hits_total"), Some(1.0), "{text}");
    assert_eq!(
        skipped(&text, "damaged"),
        Some(1.0),
        "the archive was moved aside: {text}"
    );
}

#[test]
fn lock_files_that_others_hold_stop_no_compaction() {
    for kind in ["owner", "link", "pipe", "symlink"] {
        let directory = TestDirectory::new("lock-owner");
        create(directory.path(), 0o700);
        let path = directory.path().join("campanile-1.lock");
        let elsewhere = TestDirectory::new("lock-elsewhere");
        fs::write(elsewhere.path(), "kept").expect("can be written");
        let _lock = match kind {
            "owner" => {
                fs::write(&path, "").expect("can be written");
                if chown(&path, Some(OTHER_USER), None).is_err() {
                    println!("skipped: only root may change owners");
                    continue;
                }
                Some(lock(&path))
            }
            "link" => {
                fs::hard_link(elsewhere.path(), &path).expect("is on one file system");
                Some(lock(elsewhere.path()))
            }
            "symlink" => {
                symlink(elsewhere.path(), &path).expect("can be created");
                Some(lock(elsewhere.path()))
            }
            _ => {
                let made = std::process::Command::new("mkfifo").arg(&path).status();
                assert!(made.expect("mkfifo is installed").success());
                None
            }
        };
        let recorder = open(&directory);
        let dead = open(&directory);
        count(&dead, "hits_total", 4);
        drop(dead);
        assert_eq!(value(&render(&recorder), "hits_total"), Some(4.0));
        assert_eq!(directory.cells().len(), 1, "{kind}: {:?}", directory.names());
        assert_eq!(fs::read_to_string(elsewhere.path()).expect("is kept"), "kept");
        fs::remove_file(elsewhere.path()).expect("can be removed");
    }
}

/// An unprivileged user in a directory of mode 0777 sees neither files of root nor a way to them.
#[test]
fn two_users_in_one_open_directory_do_not_see_each_other() {
    if user() != 0 {
        println!("skipped: only root may become another user");
        return;
    }
    let directory = TestDirectory::new("users");
    create(directory.path(), 0o1777);
    let recorder = open(&directory);
    count(&recorder, "hits_total", 1);
    let mut command = std::process::Command::new(child::program());
    command.uid(OTHER_USER).gid(OTHER_USER);
    let Some(mut child) = Child::try_spawn_by(command, directory.path()) else {
        println!("skipped: an unprivileged user may not run this program");
        return;
    };
    child.call("count hits_total 4");
    assert_eq!(value(&child.call("scrape"), "hits_total"), Some(4.0));
    assert_eq!(value(&render(&recorder), "hits_total"), Some(1.0));
    assert_eq!(directory.names(), ["campanile-0", "campanile-65534"]);
}
