//! Folding and looking, in every order of their steps, and with a death at each of them.

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
    directory::Directory,
    file_name,
    fold::fold,
    folder::Folder,
    moments::testing::{DIES, ignore, watch},
    scan::Scan,
};
use crate::{CellRecorder, Value};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);
/// The variable that tells a child where it is to fold.
const DIRECTORY: &str = "CAMPANILE_RECORDER_DIRECTORY";
/// What all processes of a [`Scene`] have counted.
const TOTAL: u64 = 1 + 2 + 4 + 8 + 16;

/// A directory in which one lives, three are gone, and one was folded but its file is still there.
struct Scene {
    path: PathBuf,
    alive: CellRecorder,
}

/// Where there is nothing to wait for when files are put on the disk.
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
        let folded = process(&path, 1);
        let folded_name = folded
            .directory
            .as_ref()
            .expect("has one")
            .own()
            .name()
            .to_owned();
        let bytes = std::fs::read(path.join(&folded_name)).expect("can be read");
        drop(folded);
        let alive = process(&path, 2);
        assert!(!path.join(&folded_name).exists(), "whoever opens folds");
        drop([4, 8, 16].map(|hits| process(&path, hits)));
        std::fs::write(path.join(&folded_name), bytes).expect("can be written");
        Self { path, alive }
    }

    /// What a process sees that has not looked yet.
    fn assert_whole(&self, context: &str) {
        assert_whole(&self.alive, context);
        let other = CellRecorder::builder().open(&self.path).expect("opens");
        assert_whole(&other, context);
        drop(other);
        assert_whole(&self.alive, context);
        let mut names: Vec<String> = std::fs::read_dir(&self.path)
            .expect("can be listed")
            .map(|entry| {
                entry
                    .expect("is there")
                    .file_name()
                    .into_string()
                    .expect("is text")
            })
            .collect();
        names.sort();
        let own = self.alive.directory.as_ref().expect("has one").own().name();
        assert_eq!(
            names,
            [own, &file_name::archive(), &file_name::fold_lock()],
            "{context}: the directory grew"
        );
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Every count is there once, and no gauge of the dead.
fn assert_whole(recorder: &CellRecorder, context: &str) {
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
fn a_death_at_any_step_loses_nothing_and_doubles_nothing() {
    let program = std::env::current_exe().expect("knows its own path");
    for moment in [
        "process file made",
        "process file locked",
        "process file written",
        "archive looked at",
        "directory listed",
        "file looked at",
        "locked",
        "leftover removed",
        "archive begun",
        "archive written",
        "archive on disk",
        "archive renamed",
        "file removed",
        "added up",
    ] {
        let scene = Scene::new("death");
        let output = Command::new(&program)
            .args([
                "processes::protocol_tests::folds_as_a_child",
                "--exact",
                "--nocapture",
            ])
            .env(DIES, moment)
            .env(DIRECTORY, &scene.path)
            .output()
            .expect("starts this program again");
        assert_eq!(output.status.signal(), Some(9), "{moment} never came: {output:?}");
        scene.assert_whole(moment);
    }
}

/// The child: it opens the directory, and so it folds.
#[test]
fn folds_as_a_child() {
    if let Some(path) = std::env::var_os(DIRECTORY) {
        drop(CellRecorder::builder().open(path).expect("opens").snapshot());
    }
}

/// A folder in a thread of its own that goes on by a step at a time.
struct Stepped {
    go: Sender<()>,
    paused: Receiver<()>,
    thread: Option<thread::JoinHandle<usize>>,
}

impl Stepped {
    /// Has taken the lock when this returns, and done nothing.
    fn new(path: &Path) -> Self {
        let (go, gone) = channel::<()>();
        let (pauses, paused) = channel::<()>();
        let path = path.to_owned();
        let thread = thread::spawn(move || {
            let folder = Folder::open(&path).expect("opens");
            let lock = folder
                .try_fold_lock()
                .expect("can lock")
                .expect("nobody else has it");
            let mut scan = Scan::new(None).expect("has no file");
            scan.look(&folder).expect("can look");
            let steps = Rc::new(RefCell::new(0));
            let counted = Rc::clone(&steps);
            watch(move |_| {
                *counted.borrow_mut() += 1;
                let _ = pauses.send(());
                let _ = gone.recv();
            });
            fold(&folder, &scan, usize::MAX, &lock).expect("can fold");
            drop(lock);
            // Drops the channel, by which the other side sees the end.
            ignore();
            steps.take()
        });
        paused.recv().expect("comes to its first step");
        Self {
            go,
            paused,
            thread: Some(thread),
        }
    }

    /// Lets it go on to its next step, or to its end.
    fn step(&mut self) {
        if self.go.send(()).is_ok() {
            let _ = self.paused.recv();
        }
    }

    /// Lets it go on to its end; tells how many steps there were.
    fn finish(mut self) -> usize {
        let thread = self.thread.take().expect("is taken once");
        drop(self.go);
        thread.join().expect("does not panic")
    }
}

/// Looks while another folds whose steps come before the reader's moments of these numbers.
fn look_while_folding(steps: &[usize], late: usize) -> (usize, usize) {
    let scene = Scene::new("orders");
    let folder = Rc::new(RefCell::new(Some(Stepped::new(&scene.path))));
    let moments = Rc::new(RefCell::new(0));
    let (stepped, counted, schedule) = (Rc::clone(&folder), Rc::clone(&moments), steps.to_owned());
    watch(move |_| {
        let moment = *counted.borrow();
        *counted.borrow_mut() += 1;
        let steps = schedule.iter().filter(|at| **at == moment).count();
        for _ in 0..steps {
            if let Some(folder) = &mut *stepped.borrow_mut() {
                folder.step();
            }
        }
    });
    assert_whole(&scene.alive, &format!("folding at {steps:?} of {late}"));
    ignore();
    let folder = folder.take().expect("nobody else takes it");
    let folded = folder.finish();
    scene.assert_whole(&format!("after folding at {steps:?}"));
    (folded, moments.take())
}

#[test]
fn whoever_looks_while_another_folds_sees_every_count_once() {
    // With nobody stepping, the folder holds the lock and stands still.
    let (folds, moments) = look_while_folding(&[], 0);
    assert!(folds >= 8 && moments >= 6, "{folds} steps, {moments} moments");
    // The folder comes so far before one of the reader's moments, so far before the next or at the end, and no further
    // while the reader looks.
    for first in 0..folds {
        for second in first..=folds {
            for early in 0..moments {
                let lates = [early + 1, moments];
                for late in &lates[..if second == first { 1 } else { 2 }] {
                    let mut steps = vec![early; first];
                    steps.extend(vec![*late; second - first]);
                    look_while_folding(&steps, moments);
                }
            }
        }
    }
}

#[test]
fn many_that_look_at_once_all_see_every_count_once() {
    let scene = Scene::new("looks");
    let barrier = Arc::new(Barrier::new(8));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let directory =
                    Directory::open(&scene.path, crate::buckets::Rules::default(), 100).expect("opens");
                barrier.wait();
                for _ in 0..20 {
                    let snapshot = directory.snapshot();
                    let hits = snapshot
                        .families
                        .iter()
                        .find(|family| &*family.name == "hits_total");
                    assert_eq!(hits.expect("is there").series[0].value, Value::Counter(TOTAL));
                }
            });
        }
    });
    scene.assert_whole("after all");
}
