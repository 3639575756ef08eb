//! A directory that several processes share.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
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
        process_file::ProcessFile,
        scan::DirectoryScan,
        totals::{SkippedSeries, Totals},
    },
};

/// How often a scrape is repeated because another process compacted the directory in the meantime. Each repetition
/// takes the exit of another process during the scrape.
const ATTEMPTS: u32 = 100;

/// A directory that several processes share, and the file of this process in it.
#[derive(Debug)]
pub(crate) struct SharedDirectory {
    dir: Dir,
    process_file: Arc<ProcessFile>,
    scan: Mutex<DirectoryScan>,
    series_limit: usize,
    modes: Arc<MatchRules<GaugeMode>>,
    writer: OnceLock<FileLock>,
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
        let scan = DirectoryScan::new(Some(Arc::clone(&process_file)))
            .map_err(|_| DirectoryError::new(path, "read the created file in", io::ErrorKind::InvalidData))?;
        let directory = Self {
            dir,
            process_file,
            scan: Mutex::new(scan),
            series_limit,
            modes,
            writer: OnceLock::new(),
        };
        // Compacts, so that short-lived processes do not fill a directory that is never scraped.
        let _ = directory.totals(&mut directory.scan());
        // Most processes are never scraped and need not keep the files of others open.
        directory.scan().close_peers();
        Ok(directory)
    }

    pub(crate) fn process_file(&self) -> &Arc<ProcessFile> {
        &self.process_file
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Returns whether this process writes gauges of kernel state. Takes that role if it is free.
    pub(crate) fn is_writer(&self) -> bool {
        if self.writer.get().is_none()
            && let Ok(Some(lock)) = self.dir.try_lock_writer()
        {
            // Cannot race with another thread: `flock` locks belong to the open file.
            let _ = self.writer.set(lock);
        }
        self.writer.get().is_some_and(FileLock::is_own)
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
    /// With an error the directory could not be read, and the totals are those of the last known state.
    fn totals(&self, scan: &mut DirectoryScan) -> (Totals, io::Result<()>) {
        for _ in 0..ATTEMPTS {
            let lock = self.dir.try_lock_archive().ok().flatten();
            if let Err(error) = self.refresh(scan, lock.as_ref()) {
                return (scan.totals(&self.modes), Err(error));
            }
            let totals = scan.totals(&self.modes);
            failpoint("totals computed");
            // Under the lock no other process can compact.
            if lock.is_some() || scan.is_consistent(&self.dir) {
                return (totals, Ok(()));
            }
            thread::sleep(Duration::from_millis(1));
        }
        (scan.totals(&self.modes), Err(io::ErrorKind::ResourceBusy.into()))
    }

    fn refresh(&self, scan: &mut DirectoryScan, lock: Option<&FileLock>) -> io::Result<()> {
        scan.refresh(&self.dir)?;
        let Some(lock) = lock else { return Ok(()) };
        // A process with a low limit renders fewer series, but must not merge for good what others distinguish.
        match compact(&self.dir, scan, self.series_limit.max(SERIES_LIMIT), lock) {
            Ok(false) => Ok(()),
            // If the archive could not be written, the files of exited processes are read as they are.
            Ok(true) | Err(_) => scan.refresh(&self.dir),
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
        let lock = directory.dir.try_lock_writer().expect("can be locked");
        let lock = lock.expect("is free").inherited();
        directory.writer.set(lock).expect("is not set");
        assert!(!directory.is_writer());
        std::fs::remove_dir_all(&path).expect("can be removed");
    }
}
