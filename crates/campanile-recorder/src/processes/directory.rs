//! A directory in which processes count together, as one of them sees it.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use crate::{
    Family, Kind, Labels, Series, Snapshot, Value,
    buckets::Rules,
    builder::SERIES_LIMIT,
    names,
    processes::{
        DirectoryError, GaugeMode,
        contents::Unread,
        fold::fold,
        folder::{Folder, Lock},
        moments,
        own_file::OwnFile,
        scan::Scan,
        snapshot::Conflicts,
        totals::Totals,
    },
};

/// How often a scrape looks anew because somebody folded meanwhile. It takes that many deaths in one scrape to run out.
const ATTEMPTS: u32 = 100;

/// A directory in which processes count together.
#[derive(Debug)]
pub(crate) struct Directory {
    folder: Folder,
    own: Arc<OwnFile>,
    scan: Mutex<Scan>,
    limit: usize,
    modes: Arc<Rules<GaugeMode>>,
    writer: OnceLock<Lock>,
}

impl Directory {
    /// Opens a directory and makes this process's file in it.
    pub(crate) fn open(path: &Path, modes: Rules<GaugeMode>, limit: usize) -> Result<Self, DirectoryError> {
        // Elsewhere words that are mapped read-only may not be loaded as one.
        if cfg!(not(target_pointer_width = "64")) {
            let source = io::Error::new(io::ErrorKind::Unsupported, "only systems of 64 bits can do this");
            return Err(DirectoryError::new(path, "count", source));
        }
        let folder = Folder::open(path)?;
        let modes = Arc::new(modes);
        let own = Arc::new(OwnFile::make(&folder, Arc::clone(&modes))?);
        let error = |source: io::Error| DirectoryError::new(path, "read the own file", source);
        let scan = Scan::new(Some(Arc::clone(&own))).map_err(|_| error(io::ErrorKind::InvalidData.into()))?;
        let directory = Self {
            folder,
            own,
            scan: Mutex::new(scan),
            limit,
            modes,
            writer: OnceLock::new(),
        };
        // Where nobody scrapes, processes that come and go must not fill the directory.
        let _ = directory.totals(&mut directory.lock());
        // Most processes are never asked, and need not keep the others' files open.
        directory.lock().forget();
        Ok(directory)
    }

    pub(crate) fn own(&self) -> &Arc<OwnFile> {
        &self.own
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Tells whether this process is the one that writes what the kernel owns, and becomes it if nobody is.
    pub(crate) fn is_writer(&self) -> bool {
        if self.writer.get().is_none()
            && let Ok(Some(lock)) = self.folder.try_writer_lock()
        {
            // Another thread cannot have one, too: the lock is that of an open file.
            let _ = self.writer.set(lock);
        }
        self.writer.get().is_some_and(Lock::is_own)
    }

    /// What all processes hold.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let scan = &mut *self.lock();
        let (totals, _) = self.totals(scan);
        self.snapshot_of(totals, scan)
    }

    /// What all processes hold, or why it is not all.
    pub(crate) fn try_snapshot(&self) -> io::Result<Snapshot> {
        let scan = &mut *self.lock();
        let (totals, looked) = self.totals(scan);
        looked?;
        if scan.unread.contains(&Unread::Exhausted) {
            return Err(io::Error::new(
                io::ErrorKind::OutOfMemory,
                "no descriptor or no memory left for the files of other processes",
            ));
        }
        Ok(self.snapshot_of(totals, scan))
    }

    fn snapshot_of(&self, totals: Totals, scan: &Scan) -> Snapshot {
        let (mut families, Conflicts(conflicts)) = totals.into_families(self.limit);
        let unread = scan.unread.iter().copied().chain(scan.archive.unread());
        let own = [skipped_files(unread), skipped_series(conflicts)];
        for own in own.into_iter().flatten() {
            // Whoever took one of these names has it no more while there is something to say by it.
            families.retain(|family| family.name != own.name);
            families.push(own);
        }
        families.sort_by(|left, right| left.name.cmp(&right.name));
        Snapshot { families }
    }

    /// Adds up everything as it is at one moment, and folds what is to be folded.
    ///
    /// Together with it an error, where the directory could not be looked at: then it is what was known of the others.
    fn totals(&self, scan: &mut Scan) -> (Totals, io::Result<()>) {
        for _ in 0..ATTEMPTS {
            // Who has the lock needs not look again: nobody else can fold.
            let lock = self.folder.try_fold_lock().ok().flatten();
            if let Err(error) = self.look(scan, lock.as_ref()) {
                return (scan.totals(&self.modes), Err(error));
            }
            let totals = scan.totals(&self.modes);
            moments::reached("added up");
            if lock.is_some() || scan.is_of_one_moment(&self.folder) {
                return (totals, Ok(()));
            }
            thread::sleep(Duration::from_millis(1));
        }
        (scan.totals(&self.modes), Err(io::ErrorKind::ResourceBusy.into()))
    }

    fn look(&self, scan: &mut Scan, lock: Option<&Lock>) -> io::Result<()> {
        scan.look(&self.folder)?;
        let Some(lock) = lock else { return Ok(()) };
        // Who has a lower limit than others renders less, but must not throw together for ever what they tell apart.
        match fold(&self.folder, scan, self.limit.max(SERIES_LIMIT), lock) {
            Ok(false) => Ok(()),
            // Where there is no room for an archive, say, the files of the dead are counted as they are.
            Ok(true) | Err(_) => scan.look(&self.folder),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Scan> {
        self.scan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn own_family(metric: &names::Metric, series: impl Iterator<Item = Series>) -> Option<Family> {
    let mut family = Family::new(metric.name, metric.kind);
    family.unit = metric.unit;
    family.help = Some(metric.help.into());
    family.series = series.collect();
    debug_assert_eq!(family.kind, Kind::Gauge, "what is found at a scrape is no count");
    (!family.series.is_empty()).then_some(family)
}

/// Says how many files were left out, and why.
fn skipped_files(unread: impl Iterator<Item = Unread>) -> Option<Family> {
    let mut reasons: Vec<Unread> = unread.collect();
    reasons.sort_unstable();
    let series = reasons.chunk_by(PartialEq::eq).map(|files| {
        let reason = match files[0] {
            Unread::Version => "version",
            Unread::Damaged => "damaged",
            Unread::Unreadable => "unreadable",
            Unread::Exhausted => "exhausted",
        };
        Series::new(
            Labels::new([("reason", reason)]),
            Value::Gauge(files.len() as f64),
        )
    });
    let mut series: Vec<Series> = series.collect();
    series.sort_by(|left, right| left.labels.cmp(&right.labels));
    own_family(&names::SKIPPED_FILES, series.into_iter())
}

/// Says of which metrics series were left out.
fn skipped_series(conflicts: Vec<(Arc<str>, u64)>) -> Option<Family> {
    let series = conflicts
        .into_iter()
        .map(|(name, skipped)| Series::new(Labels::new([("metric", &*name)]), Value::Gauge(skipped as f64)));
    own_family(&names::SKIPPED_SERIES, series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_does_not_take_itself_for_the_writer_that_its_parent_is() {
        let path = std::env::temp_dir().join(format!("campanile-recorder-writer-{}", std::process::id()));
        let directory = Directory::open(&path, Rules::default(), 100).expect("opens");
        let lock = directory.folder.try_writer_lock().expect("can lock");
        let lock = lock.expect("nobody else has it").of_a_parent();
        directory.writer.set(lock).expect("nobody has asked");
        assert!(!directory.is_writer());
        std::fs::remove_dir_all(&path).expect("can be removed");
    }
}
