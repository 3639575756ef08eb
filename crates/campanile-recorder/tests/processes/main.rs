//! Shared directories. The other processes are this program, controlled by commands on stdin.
#![cfg(unix)]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the processes communicate by their output"
)]

mod child;
mod exhausted;
mod foreign;
mod invalid_files;
mod removed;
mod totals;

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use campanile_recorder::{CellRecorder, Format};
use metrics::{Key, Label, Level, Metadata, Recorder};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

/// The directory of a test, removed on drop.
struct TestDirectory(PathBuf);

impl TestDirectory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("campanile-recorder-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("lists the directory");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("has an entry")
                    .file_name()
                    .into_string()
                    .expect("is text")
            })
            .collect();
        names.sort();
        names
    }

    /// Returns the process files, alive or not.
    fn cells(&self) -> Vec<PathBuf> {
        let names = self.names().into_iter();
        names
            .filter(|name| name.ends_with(".cells"))
            .map(|name| self.0.join(name))
            .collect()
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn key(name: &str, labels: &[(&str, &str)]) -> Key {
    let labels: Vec<_> = labels
        .iter()
        .map(|(name, value)| Label::new((*name).to_owned(), (*value).to_owned()))
        .collect();
    Key::from_parts(name.to_owned(), labels)
}

fn count(recorder: &CellRecorder, name: &str, value: u64) {
    recorder
        .register_counter(&key(name, &[]), &METADATA)
        .increment(value);
}

/// Returns the value of a series, given as name and labels.
fn value(text: &str, series: &str) -> Option<f64> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Locks a file like a live process, until dropped.
fn lock(path: &Path) -> File {
    let file = File::open(path).expect("exists");
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).expect("is not locked");
    file
}

fn render(recorder: &CellRecorder) -> String {
    recorder.render(Format::Prometheus)
}
