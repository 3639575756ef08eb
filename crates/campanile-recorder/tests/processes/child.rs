//! A child process that records.

use std::{
    error::Error,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    os::fd::AsRawFd,
    path::Path,
    process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio},
    thread::JoinHandle,
};

use campanile_recorder::{CellRecorder, Format};
use metrics::Recorder;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::{METADATA, count, key, render};

const VARIABLE: &str = "CAMPANILE_RECORDER_CHILD_DIRECTORY";
/// Marks lines for the parent, as opposed to those of the test harness.
const MARK: &str = "@";

/// A process, killed when dropped.
pub(crate) struct Child {
    process: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Counts the bytes that acknowledge increments under load.
    load: Option<JoinHandle<u64>>,
}

impl Child {
    pub(crate) fn spawn(directory: &Path) -> Self {
        Self::spawn_by(Command::new(program()), directory)
    }

    /// Spawns a child with a command that appends its arguments to another.
    pub(crate) fn spawn_by(command: Command, directory: &Path) -> Self {
        Self::try_spawn_by(command, directory).expect("starts this program again")
    }

    pub(crate) fn try_spawn_by(command: Command, directory: &Path) -> Option<Self> {
        let mut process = configure(command, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let input = process.stdin.take().expect("is piped");
        let output = BufReader::new(process.stdout.take().expect("is piped"));
        let mut errors = process.stderr.take().expect("is piped");
        let load = std::thread::spawn(move || {
            let mut acknowledged = 0;
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = errors.read(&mut bytes) {
                acknowledged += bytes[..read].iter().filter(|byte| **byte == b'.').count() as u64;
                let other = String::from_utf8_lossy(&bytes[..read]).replace('.', "");
                if !other.is_empty() {
                    eprintln!("stderr of a child: {other}");
                }
            }
            acknowledged
        });
        Some(Self {
            process,
            input,
            output,
            load: Some(load),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a command without waiting.
    pub(crate) fn send(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the child reads");
    }

    /// Waits for the reply to a command. There is no time limit but that of the test.
    pub(crate) fn reply(&mut self) -> String {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            let read = self
                .output
                .read_line(&mut line)
                .expect("the child's output is text");
            assert!(read > 0, "the child exited without a reply");
            match line.split_once(MARK) {
                Some((_, "\n")) => return text,
                Some((_, line)) => text.push_str(line),
                None => {}
            }
        }
    }

    pub(crate) fn call(&mut self, line: &str) -> String {
        self.send(line);
        self.reply()
    }

    /// Kills the child, and returns the number of acknowledged increments.
    pub(crate) fn kill(mut self) -> u64 {
        self.process.kill().expect("can be killed");
        self.process.wait().expect("ends");
        self.load
            .take()
            .map_or(0, |load| load.join().expect("reads to the end"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns a command that starts a child in a directory.
pub(crate) fn command(directory: &Path) -> Command {
    configure(Command::new(program()), directory)
}

fn configure(mut command: Command, directory: &Path) -> Command {
    command
        .args(["child::child_executes_commands", "--exact", "--nocapture"])
        .env(VARIABLE, directory);
    command
}

pub(crate) fn program() -> std::path::PathBuf {
    std::env::current_exe().expect("has a path")
}

#[test]
fn child_executes_commands() {
    let Some(directory) = std::env::var_os(VARIABLE) else {
        return;
    };
    let recorder = match CellRecorder::builder().open(directory) {
        Ok(recorder) => recorder,
        Err(error) => {
            println!(
                "{MARK}{error}: {}\n{MARK}",
                error.source().expect("the error of the system")
            );
            return;
        }
    };
    for line in std::io::stdin().lines() {
        let line = line.expect("the parent writes text");
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["count", name, value] => count(&recorder, name, value.parse().expect("is a number")),
            ["gauge", name, value] => recorder
                .register_gauge(&key(name, &[]), &METADATA)
                .set(value.parse::<f64>().expect("is a number")),
            ["observe", name, value] => recorder
                .register_histogram(&key(name, &[]), &METADATA)
                .record(value.parse::<f64>().expect("is a number")),
            ["series", name, number] => {
                for index in 0..number.parse::<u64>().expect("is a number") {
                    recorder
                        .register_counter(&key(name, &[("index", &index.to_string())]), &METADATA)
                        .increment(1);
                }
            }
            ["load", name] => start_load(&recorder, name),
            ["is", "writer"] => println!("{MARK}{}", recorder.is_writer()),
            ["scrape"] => {
                for line in render(&recorder).lines() {
                    println!("{MARK}{line}");
                }
            }
            ["try"] => match recorder.try_snapshot() {
                Ok(snapshot) => {
                    for line in snapshot.render(Format::Prometheus).lines() {
                        println!("{MARK}{line}");
                    }
                }
                Err(error) => println!("{MARK}error: {error}"),
            },
            ["descriptors", more] => limit_descriptors(more.parse().expect("is a number")),
            ["scrape", "unseen"] => {
                drop(render(&recorder));
                continue;
            }
            _ => panic!("no such command: {line}"),
        }
        println!("{MARK}");
    }
}

/// Limits this process to `more` additional file descriptors.
fn limit_descriptors(more: u64) {
    let free = File::open("/dev/null").expect("a descriptor is free");
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(free.as_raw_fd() as u64 + more);
    setrlimit(Resource::Nofile, limit).expect("is below the hard limit");
}

/// Increments indefinitely, and acknowledges each increment by a byte.
fn start_load(recorder: &CellRecorder, name: &str) {
    let counter = recorder.register_counter(&key(name, &[]), &METADATA);
    std::thread::spawn(move || {
        loop {
            counter.increment(1);
            if std::io::stderr().write_all(b".").is_err() {
                return;
            }
        }
    });
}
