//! Attacks on the directory of shared metrics: workers that are killed, and damage to the files of dead processes.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

use crate::attacks::Tally;

/// The row in the table.
const ATTACK: &str = "metrics directory: files";
const START: Duration = Duration::from_secs(10);

/// What happens to the file of a killed worker.
#[derive(Debug, Clone, Copy)]
enum Damage {
    None,
    Emptied,
    Halved,
    CutInHead,
    Removed,
    Garbage,
    Fifo,
    Symlink,
    Sparse,
    Planted,
    /// Not the worker's file, but that of the living server.
    ServerFileRemoved,
}

impl Damage {
    const ALL: [Self; 11] = [
        Self::None,
        Self::Emptied,
        Self::Halved,
        Self::CutInHead,
        Self::Removed,
        Self::Garbage,
        Self::Fifo,
        Self::Symlink,
        Self::Sparse,
        Self::Planted,
        Self::ServerFileRemoved,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::None => "worker killed",
            Self::Emptied => "emptied",
            Self::Halved => "halved",
            Self::CutInHead => "cut in its head",
            Self::Removed => "removed",
            Self::Garbage => "replaced by garbage",
            Self::Fifo => "replaced by a FIFO",
            Self::Symlink => "replaced by a symlink",
            Self::Sparse => "replaced by a sparse GiB",
            Self::Planted => "files planted",
            Self::ServerFileRemoved => "file of the server removed",
        }
    }

    fn apply(self, file: &Path, server: i32) -> io::Result<()> {
        let cut = |bytes: fn(u64) -> u64| {
            let file = OpenOptions::new().write(true).open(file)?;
            file.set_len(bytes(file.metadata()?.len()))
        };
        match self {
            Self::None => Ok(()),
            Self::Emptied => cut(|_| 0),
            Self::Halved => cut(|length| length / 2),
            Self::CutInHead => cut(|_| 13),
            Self::Removed => fs::remove_file(file),
            Self::Garbage => {
                let bytes: Vec<u8> = (0..100_000).map(|_| fastrand::u8(..)).collect();
                fs::write(file, bytes)
            }
            Self::Fifo => {
                fs::remove_file(file)?;
                Ok(mknodat(CWD, file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?)
            }
            Self::Symlink => {
                fs::remove_file(file)?;
                symlink("/proc/self/mem", file)
            }
            Self::Sparse => {
                fs::remove_file(file)?;
                File::create(file)?.set_len(1 << 30)
            }
            Self::Planted => {
                for name in [
                    "a\nb",
                    "campanile-1-0-.cells",
                    "campanile-1-99999999999-0.cells",
                    "x.new",
                ] {
                    fs::write(file.with_file_name(name), [0xff; 5000])?;
                }
                // A copy of the dead worker's file under another ID.
                fs::copy(file, file.with_file_name("campanile-1-1-0123456789abcdef.cells")).map(drop)
            }
            Self::ServerFileRemoved => {
                let directory = file.parent().expect("a file is in a directory");
                find(directory, server).map_or(Ok(()), fs::remove_file)
            }
        }
    }
}

/// Starts, kills and damages until it is aborted. `server` is the ID of the newest server.
pub async fn attack(program: PathBuf, directory: PathBuf, server: Arc<AtomicI32>, tally: Tally) {
    for damage in Damage::ALL.into_iter().cycle() {
        let ending = match kill_and_damage(&program, &directory, &server, damage).await {
            Ok(()) => damage.name().to_owned(),
            // The server may have compacted the directory first.
            Err(error) if error.kind() == io::ErrorKind::NotFound => "compacted before the damage".to_owned(),
            Err(error) => format!("{}: {error}", damage.name()),
        };
        tally.add(ATTACK, ending);
    }
}

async fn kill_and_damage(
    program: &Path,
    directory: &Path,
    server: &AtomicI32,
    damage: Damage,
) -> io::Result<()> {
    let mut worker = Command::new(program)
        .arg("worker")
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let id = worker.id().map_or(0, u32::cast_signed);
    let deadline = Instant::now() + START;
    let file = loop {
        if let Some(file) = find(directory, id) {
            break file;
        }
        if Instant::now() > deadline {
            return Err(io::Error::other("a worker does not start"));
        }
        sleep(Duration::from_millis(20)).await;
    };
    sleep(Duration::from_millis(500)).await;
    worker.kill().await?;
    damage.apply(&file, server.load(Ordering::Relaxed))
}

/// Returns the file of a process.
fn find(directory: &Path, process: i32) -> Option<PathBuf> {
    let part = format!("-{process}-");
    let mut files = fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path());
    files.find(|file| {
        let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.contains(&part) && name.ends_with(".cells")
    })
}
