//! A directory that several processes share.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use crate::{
    DirectoryError, Family, GaugeMode, Labels, MetricKind, Series, Snapshot, Value,
    builder::SERIES_LIMIT,
    matcher::MatchRules,
    names,
    processes::{
        compact::compact,
        dir::Dir,
        failpoints::failpoint,
        file_lock::FileLock,
        parser::SkipReason,
        process_file::{ProcessFile, Restored},
        scan::DirectoryScan,
        totals::{SkippedSeries, Totals},
    },
    registry::Registry,
};

/// How often a scrape is repeated because another process compacted the directory in the meantime. Each repetition
/// takes the exit of another process during the scrape.
const ATTEMPTS: u32 = 100;

/// How often a process checks that others still find its file.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// After how many checks without a directory it is created again. A deployment that replaces it comes first.
const CHECKS_WITHOUT_DIRECTORY: u32 = 3;

/// A directory that several processes share, and the file of this process in it.
#[derive(Debug)]
pub(crate) struct SharedDirectory {
    place: Arc<Place>,
    /// Stops the checks on drop.
    checks: Mutex<Option<Sender<()>>>,
    scan: Mutex<DirectoryScan>,
    series_limit: usize,
    modes: Arc<MatchRules<GaugeMode>>,
    writer: Mutex<Option<FileLock>>,
}

/// The directory and the file of this process in it, both of which can be replaced.
#[derive(Debug)]
struct Place {
    dir: RwLock<Arc<Dir>>,
    process_file: Arc<ProcessFile>,
}

impl Place {
    fn dir(&self) -> Arc<Dir> {
        Arc::clone(&self.dir.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks once a second that other processes find the file of this one, until `stop` is disconnected.
    fn check(place: &Weak<Self>, stop: &Receiver<()>, registry: &Weak<Registry>) {
        let (mut missing, mut failing) = (0, false);
        while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(CHECK_INTERVAL) {
            // Not kept during the wait: the last handle unlocks the file.
            let Some(place) = place.upgrade() else {
                return;
            };
            let count = |metric| {
                if let Some(registry) = registry.upgrade() {
                    registry.count(metric, Labels::new([]));
                }
            };
            let path = place.dir().path().to_owned();
            let restored = place.restore_directory(&mut missing).and_then(|directory| {
                let file = place.process_file.restore(&place.dir());
                if directory {
                    count(&names::RESTORED_DIRECTORIES);
                    tracing::error!(path = %path.display(), "the metrics directory was removed; it is used again, without the totals of exited processes");
                }
                match file.as_ref().unwrap_or(&Restored::Unchanged) {
                    Restored::Unchanged => {}
                    Restored::Cut => {
                        count(&names::RESTORED_FILES);
                        tracing::error!(path = %path.display(), "the metrics file of this process was truncated; the counts in it begin at zero again");
                    }
                    Restored::Removed => {
                        count(&names::RESTORED_FILES);
                    tracing::error!(path = %path.display(), "the metrics file of this process was removed and has been made again; do not remove files of running processes");
                    }
                }
                file.map(drop)
            });
            if let Err(error) = &restored
                && !failing
            {
                tracing::error!(path = %path.display(), %error, "the metrics file of this process was removed and cannot be made again yet");
            }
            failing = restored.is_err();
        }
    }

    /// Opens the directory again if it was removed, and returns whether it was.
    fn restore_directory(&self, missing: &mut u32) -> io::Result<bool> {
        let dir = self.dir();
        if !dir.is_removed() {
            *missing = 0;
            return Ok(false);
        }
        *missing += 1;
        if !dir.has_successor() && *missing < CHECKS_WITHOUT_DIRECTORY {
            return Err(io::ErrorKind::NotFound.into());
        }
        let dir = dir.reopen().map_err(io::Error::other)?;
        *self.dir.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(dir);
        Ok(true)
    }
}

impl SharedDirectory {
    /// Opens a directory and creates the file of this process in it.
    pub(crate) fn open(
        path: &Path,
        modes: MatchRules<GaugeMode>,
        series_limit: usize,
    ) -> Result<Self, DirectoryError> {
        // On narrower targets 64-bit atomic loads may write, which faults on read-only mappings.
        if cfg!(not(target_pointer_width = "64")) {
            let source = io::Error::new(io::ErrorKind::Unsupported, "supported on 64-bit systems only");
            return Err(DirectoryError::new(path, "record metrics in", source));
        }
        let dir = Dir::open(path)?;
        let modes = Arc::new(modes);
        let process_file = Arc::new(ProcessFile::create(&dir, Arc::clone(&modes))?);
        let scan = DirectoryScan::new(Some(Arc::clone(&process_file)));
        let directory = Self {
            place: Arc::new(Place {
                dir: RwLock::new(Arc::new(dir)),
                process_file,
            }),
            checks: Mutex::new(None),
            scan: Mutex::new(scan),
            series_limit,
            modes,
            writer: Mutex::new(None),
        };
        // Compacts, so that short-lived processes do not fill a directory that is never scraped.
        let _ = directory.totals(&mut directory.scan());
        // Most processes are never scraped and need not remember the files of others.
        directory.scan().forget_peers();
        Ok(directory)
    }

    /// Starts a thread that makes the file of this process again when it has been removed, and counts that.
    pub(crate) fn start_checks(&self, registry: &Arc<Registry>) -> Result<(), DirectoryError> {
        let (stop, stopped) = channel();
        let (place, registry) = (Arc::downgrade(&self.place), Arc::downgrade(registry));
        thread::Builder::new()
            .name("campanile-files".to_owned())
            .spawn(move || Place::check(&place, &stopped, &registry))
            .map_err(|error| DirectoryError::new(&self.path(), "start a thread to check", error))?;
        *self.checks.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
        Ok(())
    }

    pub(crate) fn process_file(&self) -> &Arc<ProcessFile> {
        &self.place.process_file
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.place.dir().path().to_owned()
    }

    /// Returns whether this process writes gauges of kernel state. Takes that role if it is free.
    pub(crate) fn is_writer(&self) -> bool {
        let dir = self.place.dir();
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A lock file that was removed no longer excludes other processes.
        if !writer.as_ref().is_some_and(|lock| dir.is_writer_lock(lock)) {
            *writer = dir.try_lock_writer().ok().flatten();
        }
        writer.as_ref().is_some_and(FileLock::is_own)
    }

    /// Returns the totals of all processes, as far as their files can be read.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let scan = &mut *self.scan();
        let (totals, _) = self.totals(scan);
        self.to_snapshot(totals, scan)
    }

    /// Returns the totals of all processes, or an error if some of them may be missing.
    pub(crate) fn try_snapshot(&self) -> io::Result<Snapshot> {
        let scan = &mut *self.scan();
        let (totals, refreshed) = self.totals(scan);
        refreshed?;
        if scan.skipped.contains(&SkipReason::Exhausted) {
            return Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                "out of file descriptors or memory for the files of other processes",
            ));
        }
        Ok(self.to_snapshot(totals, scan))
    }

    fn to_snapshot(&self, totals: Totals, scan: &DirectoryScan) -> Snapshot {
        let (mut families, skipped) = totals.into_families(self.series_limit);
        let reasons = scan.skipped.iter().copied().chain(scan.archive.skip_reason());
        for own in [skipped_files(reasons), skipped_series(skipped)]
            .into_iter()
            .flatten()
        {
            // Replaces a metric of the application that has the same name.
            families.retain(|family| family.name != own.name);
            families.push(own);
        }
        families.sort_by(|left, right| left.name.cmp(&right.name));
        Snapshot { families }
    }

    /// Reads the directory, compacts it if the lock is free, and returns consistent totals.
    ///
    /// With an error the directory could not be read, and the totals may be those of this process only.
    fn totals(&self, scan: &mut DirectoryScan) -> (Totals, io::Result<()>) {
        let dir = &*self.place.dir();
        let mut last = Totals::default();
        for _ in 0..ATTEMPTS {
            let lock = dir.try_lock_archive().ok().flatten();
            let (totals, read) = self.refresh(dir, scan, lock.as_ref());
            if read.is_err() {
                return (totals, read);
            }
            failpoint("totals computed");
            // Under the lock no other process can compact.
            if lock.is_some() || scan.is_consistent(dir) {
                return (totals, Ok(()));
            }
            last = totals;
            thread::sleep(Duration::from_millis(1));
        }
        (last, Err(io::ErrorKind::ResourceBusy.into()))
    }

    fn refresh(
        &self,
        dir: &Dir,
        scan: &mut DirectoryScan,
        lock: Option<&FileLock>,
    ) -> (Totals, io::Result<()>) {
        let read = scan.refresh(dir, &self.modes);
        let Some(lock) = lock.filter(|_| read.1.is_ok()) else {
            return read;
        };
        // A process with a low limit renders fewer series, but must not merge for good what others distinguish.
        match compact(dir, scan, self.series_limit.max(SERIES_LIMIT), lock) {
            Ok(false) => read,
            // If the archive could not be written, the files of exited processes are read as they are.
            Ok(true) | Err(_) => scan.refresh(dir, &self.modes),
        }
    }

    fn scan(&self) -> MutexGuard<'_, DirectoryScan> {
        self.scan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the family that counts skipped files by reason, if there are any.
fn skipped_files(reasons: impl Iterator<Item = SkipReason>) -> Option<Family> {
    let mut reasons: Vec<SkipReason> = reasons.collect();
    reasons.sort_unstable();
    let series = reasons.chunk_by(PartialEq::eq).map(|files| {
        let reason = match files[0] {
            SkipReason::Version => "version",
            SkipReason::Damaged => "damaged",
            SkipReason::Unreadable => "unreadable",
            SkipReason::Foreign => "foreign",
            SkipReason::Exhausted => "exhausted",
        };
        Series::new(
            Labels::new([("reason", reason)]),
            Value::Gauge(files.len() as f64),
        )
    });
    let mut series: Vec<Series> = series.collect();
    series.sort_by(|left, right| left.labels.cmp(&right.labels));
    own_family(&names::SKIPPED_FILES, series)
}

/// Returns the family that counts skipped series by metric, if there are any.
fn skipped_series(skipped: SkippedSeries) -> Option<Family> {
    let series = skipped
        .into_iter()
        .map(|(name, count)| Series::new(Labels::new([("metric", &*name)]), Value::Gauge(count as f64)));
    own_family(&names::SKIPPED_SERIES, series.collect())
}

fn own_family(metric: &names::OwnMetric, series: Vec<Series>) -> Option<Family> {
    debug_assert_eq!(
        metric.kind,
        MetricKind::Gauge,
        "the state of one scan is no count"
    );
    if series.is_empty() {
        return None;
    }
    let mut family = Family::new(metric.name, metric.kind);
    family.unit = metric.unit;
    family.help = Some(metric.help.into());
    family.series = series;
    Some(family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_is_not_the_writer_that_its_parent_is() {
        let path = std::env::temp_dir().join(format!("campanile-recorder-writer-{}", std::process::id()));
        let directory = SharedDirectory::open(&path, MatchRules::default(), 100).expect("opens");
        let lock = directory.place.dir().try_lock_writer().expect("can be locked");
        let lock = lock.expect("is free").inherited();
        *directory.writer.lock().expect("no thread panics") = Some(lock);
        assert!(!directory.is_writer());
        std::fs::remove_dir_all(&path).expect("can be removed");
    }
}
