//! Compaction and scans in every interleaving of their steps, and with the process killed at each step.

use std::{
    cell::RefCell,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
    sync::{
        Arc, Barrier,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use metrics::{Key, Level, Metadata, Recorder};

use super::{
    compact::compact,
    dir::Dir,
    failpoints::testing::{KILL_AT, clear_hook, set_hook},
    file_name,
    scan::DirectoryScan,
    shared_directory::SharedDirectory,
};
use crate::{CellRecorder, Value};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);
/// The environment variable with the directory that a child compacts.
const DIRECTORY: &str = "CAMPANILE_RECORDER_DIRECTORY";
/// The counts of all processes in a [`Scene`].
const TOTAL: u64 = 1 + 2 + 4 + 8 + 16;

/// A directory with a live process, three that have exited, and one that is archived but whose file still exists.
struct Scene {
    path: PathBuf,
    alive: CellRecorder,
}

/// Returns a directory in memory, where syncing is fast.
fn in_memory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}

fn process(path: &Path, hits: u64) -> CellRecorder {
    let recorder = CellRecorder::builder().open(path).expect("opens");
    recorder
        .register_counter(&Key::from_static_name("hits_total"), &METADATA)
        .increment(hits);
    recorder
        .register_gauge(&Key::from_static_name("level"), &METADATA)
        .set(hits as f64);
    recorder
        .register_histogram(&Key::from_static_name("wait_seconds"), &METADATA)
        .record(0.1);
    recorder
}

impl Scene {
    fn new(name: &str) -> Self {
        let path = in_memory().join(format!("campanile-recorder-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let archived = process(&path, 1);
        let archived_name = own_file_name(&archived).to_string();
        let bytes = std::fs::read(path.join(&archived_name)).expect("can be read");
        drop(archived);
        let alive = process(&path, 2);
        assert!(!path.join(&archived_name).exists(), "opening compacts");
        drop([4, 8, 16].map(|hits| process(&path, hits)));
        std::fs::write(path.join(&archived_name), bytes).expect("can be written");
        Self { path, alive }
    }

    /// Checks what the live process and a new one see.
    fn assert_complete(&self, context: &str) {
        assert_complete(&self.alive, context);
        let other = CellRecorder::builder().open(&self.path).expect("opens");
        assert_complete(&other, context);
        drop(other);
        assert_complete(&self.alive, context);
        let mut names: Vec<String> = std::fs::read_dir(&self.path)
            .expect("can be listed")
            .map(|entry| {
                entry
                    .expect("is listed")
                    .file_name()
                    .into_string()
                    .expect("is text")
            })
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                &*own_file_name(&self.alive),
                &file_name::archive(),
                &file_name::archive_lock()
            ],
            "{context}: the directory grew"
        );
    }
}

fn own_file_name(recorder: &CellRecorder) -> Arc<str> {
    let directory = recorder.directory.as_ref().expect("has a directory");
    directory.process_file().name()
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Checks that every count is included once, and no gauge of an exited process.
fn assert_complete(recorder: &CellRecorder, context: &str) {
    let snapshot = recorder.snapshot();
    let value = |name: &str| {
        let family = snapshot.families.iter().find(|family| &*family.name == name);
        family.map(|family| family.series[0].value.clone())
    };
    assert_eq!(value("hits_total"), Some(Value::Counter(TOTAL)), "{context}");
    let Some(Value::Histogram(waits)) = value("wait_seconds") else {
        panic!("{context}: no histogram")
    };
    assert_eq!(waits.count(), 5, "{context}");
    assert!(
        value("level").is_none_or(|level| level == Value::Gauge(2.0)),
        "{context}"
    );
}

#[test]
fn a_process_killed_at_any_step_loses_and_doubles_no_count() {
    let program = std::env::current_exe().expect("has a path");
    for failpoint in [
        "process file created",
        "process file locked",
        "process file written",
        "archive read",
        "directory listed",
        "file read",
        "locked",
        "leftover removed",
        "archive created",
        "archive written",
        "archive on disk",
        "archive renamed",
        "file removed",
        "totals computed",
    ] {
        let scene = Scene::new("death");
        let output = Command::new(&program)
            .args([
                "processes::compaction_tests::child_compacts",
                "--exact",
                "--nocapture",
            ])
            .env(KILL_AT, failpoint)
            .env(DIRECTORY, &scene.path)
            .output()
            .expect("starts this program again");
        assert_eq!(
            output.status.signal(),
            Some(9),
            "{failpoint} was never reached: {output:?}"
        );
        scene.assert_complete(failpoint);
    }
}

/// Run in a child: opening the directory compacts it.
#[test]
fn child_compacts() {
    if let Some(path) = std::env::var_os(DIRECTORY) {
        drop(CellRecorder::builder().open(path).expect("opens").snapshot());
    }
}

/// A compaction in a thread of its own that advances one step at a time.
struct SteppedCompaction {
    go: Sender<()>,
    paused: Receiver<()>,
    thread: Option<thread::JoinHandle<usize>>,
}

impl SteppedCompaction {
    /// Returns once the compaction has taken the lock, before its first step.
    fn new(path: &Path) -> Self {
        let (go, gone) = channel::<()>();
        let (pauses, paused) = channel::<()>();
        let path = path.to_owned();
        let thread = thread::spawn(move || {
            let dir = Dir::open(&path).expect("opens");
            let lock = dir.try_lock_archive().expect("can lock").expect("is free");
            let mut scan = DirectoryScan::new(None);
            scan.refresh(&dir, &Arc::default()).1.expect("can be read");
            let steps = Rc::new(RefCell::new(0));
            let counted = Rc::clone(&steps);
            set_hook(move |_| {
                *counted.borrow_mut() += 1;
                let _ = pauses.send(());
                let _ = gone.recv();
            });
            compact(&dir, &scan, usize::MAX, &lock).expect("succeeds");
            drop(lock);
            // Drops the channel, which ends the wait of the other side.
            clear_hook();
            steps.take()
        });
        paused.recv().expect("reaches its first step");
        Self {
            go,
            paused,
            thread: Some(thread),
        }
    }

    /// Advances to the next step, or to the end.
    fn step(&mut self) {
        if self.go.send(()).is_ok() {
            let _ = self.paused.recv();
        }
    }

    /// Runs to the end, and returns the number of steps.
    fn finish(mut self) -> usize {
        let thread = self.thread.take().expect("is taken once");
        drop(self.go);
        thread.join().expect("does not panic")
    }
}

/// Takes a snapshot during a compaction that advances before the fail points of the reader with the given indices.
fn snapshot_while_compacting(steps: &[usize], late: usize) -> (usize, usize) {
    let scene = Scene::new("orders");
    let compaction = Rc::new(RefCell::new(Some(SteppedCompaction::new(&scene.path))));
    let failpoints = Rc::new(RefCell::new(0));
    let (stepped, counted, schedule) = (Rc::clone(&compaction), Rc::clone(&failpoints), steps.to_owned());
    set_hook(move |_| {
        let failpoint = *counted.borrow();
        *counted.borrow_mut() += 1;
        let steps = schedule.iter().filter(|at| **at == failpoint).count();
        for _ in 0..steps {
            if let Some(compaction) = &mut *stepped.borrow_mut() {
                compaction.step();
            }
        }
    });
    assert_complete(&scene.alive, &format!("compacting at {steps:?} of {late}"));
    clear_hook();
    let compaction = compaction.take().expect("is not taken");
    let compacted = compaction.finish();
    scene.assert_complete(&format!("after compacting at {steps:?}"));
    (compacted, failpoints.take())
}

#[test]
fn a_snapshot_during_compaction_includes_every_count_once() {
    // Without any step the compaction holds the lock and does nothing.
    let (steps, failpoints) = snapshot_while_compacting(&[], 0);
    assert!(
        steps >= 8 && failpoints >= 6,
        "{steps} steps, {failpoints} fail points"
    );
    // The compaction advances to one step before a fail point of the reader, to another before the next one or at the
    // end, and no further while the reader runs.
    for first in 0..steps {
        for second in first..=steps {
            for early in 0..failpoints {
                let lates = [early + 1, failpoints];
                for late in &lates[..if second == first { 1 } else { 2 }] {
                    let mut steps = vec![early; first];
                    steps.extend(vec![*late; second - first]);
                    snapshot_while_compacting(&steps, failpoints);
                }
            }
        }
    }
}

#[test]
fn concurrent_snapshots_include_every_count_once() {
    let scene = Scene::new("looks");
    let barrier = Arc::new(Barrier::new(8));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let directory = SharedDirectory::open(&scene.path, Default::default(), 100).expect("opens");
                barrier.wait();
                for _ in 0..20 {
                    let snapshot = directory.snapshot();
                    let hits = snapshot
                        .families
                        .iter()
                        .find(|family| &*family.name == "hits_total");
                    assert_eq!(hits.expect("is included").series[0].value, Value::Counter(TOTAL));
                }
            });
        }
    });
    scene.assert_complete("after all snapshots");
}
