//! Reads all files of a directory consistently, one after the other.
//!
//! The counts of a file are either in the file or in the archive, never in both and never in neither: the archive lists
//! the files that it includes, and a file is removed only after an archive that lists it is in place. So a reader that
//! finds the same archive before and after reading the files has seen every count exactly once.
//!
//! Between scans only declarations are kept, and the archive. Each file is opened, read and closed, so that a scrape of
//! thousands of processes needs a few file descriptors.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    sync::{Arc, atomic::AtomicU64},
};

use crate::{
    GaugeMode,
    matcher::MatchRules,
    processes::{
        dir::{Dir, FileId},
        failpoints::failpoint,
        file_lock::is_locked,
        file_name::{self, FileKind},
        file_reader::{FileReader, is_valid_archive},
        parser::{ParsedFile, SkipReason},
        process_file::ProcessFile,
        totals::{Liveness, Totals},
    },
};

/// The state of a directory, kept between scrapes.
#[derive(Debug)]
pub(crate) struct DirectoryScan {
    own: Option<(Arc<ProcessFile>, Option<ParsedFile>)>,
    /// The declarations in the valid files of other processes.
    peers: BTreeMap<String, PeerFile>,
    pub(crate) archive: ArchiveState,
    /// Why files were skipped at the last scan, wholly or in part, one entry per file.
    pub(crate) skipped: Vec<SkipReason>,
    /// The names of all files at the last scan.
    pub(crate) file_names: Vec<String>,
}

/// The archive at the last scan.
#[derive(Debug)]
pub(crate) enum ArchiveState {
    Missing,
    Read(Box<ArchiveFile>),
    Skipped(Option<FileId>, SkipReason),
}

/// An archive in memory. Once in place an archive never changes.
#[derive(Debug)]
pub(crate) struct ArchiveFile {
    id: FileId,
    /// Open, so that no other file can have its identity.
    _file: File,
    words: Vec<AtomicU64>,
    parsed: ParsedFile,
}

/// The file of another process.
#[derive(Debug)]
struct PeerFile {
    id: FileId,
    parsed: ParsedFile,
    is_alive: bool,
}

impl DirectoryScan {
    /// Creates the state before the first scan.
    pub(crate) fn new(own: Option<Arc<ProcessFile>>) -> Self {
        Self {
            own: own.map(|own| (own, None)),
            peers: BTreeMap::new(),
            archive: ArchiveState::Missing,
            skipped: Vec::new(),
            file_names: Vec::new(),
        }
    }

    /// Forgets the files of other processes.
    pub(crate) fn forget_peers(&mut self) {
        self.peers.clear();
        self.archive = ArchiveState::Missing;
    }

    /// Reads the directory, and returns the totals of all files. `modes` override the gauge modes in the files.
    ///
    /// With an error the directory could not be listed, or the archive not be read, and the totals are those of this
    /// process.
    pub(crate) fn refresh(
        &mut self,
        dir: &Dir,
        modes: &Arc<MatchRules<GaugeMode>>,
    ) -> (Totals, io::Result<()>) {
        let mut totals = Totals::new(Arc::clone(modes));
        let mut reader = FileReader::new();
        self.skipped.clear();
        // First, since it needs no descriptor: this process is always included, and its kinds and descriptions win.
        if let Some((own, parsed)) = &mut self.own {
            let read = reader.read(own.file(), parsed);
            if let Some(parsed) = parsed {
                totals.add(parsed, reader.words(), Liveness::Own, &own.name());
            }
            if let Err(reason) = read {
                self.skipped.push(reason);
                *parsed = None;
            }
        }
        let read = self.read_others(dir, &mut reader, &mut totals);
        (totals, read)
    }

    fn read_others(&mut self, dir: &Dir, reader: &mut FileReader, totals: &mut Totals) -> io::Result<()> {
        let archive = self.archive.refresh(dir, reader)?;
        failpoint("archive read");
        let file_names = dir.file_names()?;
        if let Some(archive) = archive {
            self.archive = archive;
        }
        self.file_names = file_names;
        self.file_names.sort_unstable();
        failpoint("directory listed");
        let mut before = std::mem::take(&mut self.peers);
        for name in &self.file_names {
            match FileKind::from_name(name) {
                FileKind::Process => {}
                FileKind::OtherVersion => {
                    self.skipped.push(SkipReason::Version);
                    continue;
                }
                FileKind::NewProcess | FileKind::Other => continue,
            }
            let is_own = self.own.as_ref().is_some_and(|(own, _)| own.has_name(name));
            if is_own || self.is_archived(name) {
                continue;
            }
            match read_peer(dir, name, before.remove(name), reader, totals) {
                Ok(Some(peer)) => {
                    self.peers.insert(name.clone(), peer);
                }
                Ok(None) => {}
                Err(reason) => self.skipped.push(reason),
            }
            failpoint("file read");
        }
        if let Some(archive) = self.archive.file() {
            totals.add(&archive.parsed, &archive.words, Liveness::Exited, "");
        }
        Ok(())
    }

    /// Returns whether the archive is still the one that was read.
    pub(crate) fn is_consistent(&self, dir: &Dir) -> bool {
        let now = dir.file_id(&file_name::archive());
        now.is_ok_and(|now| now == self.archive.file_id())
    }

    /// Returns whether the archive includes the counts of a file.
    pub(crate) fn is_archived(&self, name: &str) -> bool {
        let archive = self.archive.file();
        archive.is_some_and(|archive| archive.parsed.archived_files.iter().any(|file| file == name))
    }

    /// Returns the totals of the archive and the files of processes that have exited, and the names of these files. Not
    /// included are damaged files and those with records of a later version: an archive of this version would lose them.
    pub(crate) fn exited_totals(&self, dir: &Dir) -> (Totals, Vec<String>) {
        let mut totals = Totals::default();
        let mut names = Vec::new();
        let mut reader = FileReader::new();
        if let Some(archive) = self.archive.file() {
            totals.add(&archive.parsed, &archive.words, Liveness::Exited, "");
        }
        let exited = self
            .peers
            .iter()
            .filter(|(_, peer)| !peer.is_alive && peer.parsed.is_fully_known);
        for (name, peer) in exited {
            let mut parsed = None;
            let read = dir.open_read(name).is_ok_and(|file| {
                let is_same = FileId::from_file(&file).is_ok_and(|id| id == peer.id);
                is_same && matches!(is_locked(&file), Ok(false)) && reader.read(&file, &mut parsed).is_ok()
            });
            if let Some(parsed) = parsed.filter(|parsed| read && parsed.is_fully_known) {
                totals.add(&parsed, reader.words(), Liveness::Exited, name);
                names.push(name.clone());
            }
        }
        (totals, names)
    }
}

impl ArchiveState {
    /// Reads the archive; `None` if it is unchanged.
    fn refresh(&self, dir: &Dir, reader: &mut FileReader) -> io::Result<Option<Self>> {
        let name = file_name::archive();
        let now = dir.file_id(&name)?;
        if !matches!(self, Self::Skipped(..)) && now == self.file_id() {
            return Ok(None);
        }
        let file = match dir.open_read(&name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Self::Missing)),
            Err(error) => {
                return match SkipReason::from_error(&error) {
                    SkipReason::Exhausted => Err(error),
                    reason => Ok(Some(Self::Skipped(now, reason))),
                };
            }
        };
        let id = FileId::from_file(&file)?;
        let mut parsed = None;
        let read = reader.read(&file, &mut parsed);
        Ok(Some(match (read, parsed) {
            (Ok(()), Some(parsed)) if is_valid_archive(&parsed, reader.words()) => {
                Self::Read(Box::new(ArchiveFile {
                    id,
                    _file: file,
                    words: reader.take_words(),
                    parsed,
                }))
            }
            (Err(SkipReason::Exhausted), _) => return Err(io::ErrorKind::OutOfMemory.into()),
            (Err(reason), _) => Self::Skipped(Some(id), reason),
            (Ok(()), _) => Self::Skipped(Some(id), SkipReason::Damaged),
        }))
    }

    fn file_id(&self) -> Option<FileId> {
        match self {
            Self::Read(archive) => Some(archive.id),
            Self::Skipped(file_id, _) => *file_id,
            Self::Missing => None,
        }
    }

    fn file(&self) -> Option<&ArchiveFile> {
        match self {
            Self::Read(archive) => Some(archive),
            Self::Missing | Self::Skipped(..) => None,
        }
    }

    /// Returns whether rewriting the archive loses nothing that a later version added.
    pub(crate) fn is_fully_known(&self) -> bool {
        self.file().is_none_or(|archive| archive.parsed.is_fully_known)
    }

    /// Returns why the archive is skipped, if it is.
    pub(crate) fn skip_reason(&self) -> Option<SkipReason> {
        match self {
            Self::Skipped(_, reason) => Some(*reason),
            Self::Missing | Self::Read(..) => None,
        }
    }
}

/// Reads the file of another process and adds its values; `None` if it is gone. Of a damaged file the whole records
/// before the damage are added.
fn read_peer(
    dir: &Dir,
    name: &str,
    before: Option<PeerFile>,
    reader: &mut FileReader,
    totals: &mut Totals,
) -> Result<Option<PeerFile>, SkipReason> {
    let file = match dir.open_read(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SkipReason::from_error(&error)),
    };
    let id = FileId::from_file(&file).map_err(|error| SkipReason::from_error(&error))?;
    // Checked before the counts are read: those of an exited process are then final.
    let is_alive = is_locked(&file).map_err(|error| SkipReason::from_error(&error))?;
    let mut parsed = before
        .filter(|before| before.id == id)
        .map(|before| before.parsed);
    let read = reader.read(&file, &mut parsed);
    if let Some(parsed) = &parsed {
        let liveness = if is_alive {
            Liveness::Alive
        } else {
            Liveness::Exited
        };
        totals.add(parsed, reader.words(), liveness, name);
    }
    read?;
    Ok(parsed.map(|parsed| PeerFile { id, parsed, is_alive }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_an_unreadable_archive_makes_the_scan_inconsistent() {
        let path = std::env::temp_dir().join(format!("campanile-recorder-scan-{}", std::process::id()));
        let dir = Dir::open(&path).expect("opens");
        let archive = path.join(file_name::archive());
        std::os::unix::fs::symlink("/dev/zero", &archive).expect("can be created");
        let mut scan = DirectoryScan::new(None);
        scan.refresh(&dir, &Arc::default()).1.expect("can be read");
        assert_eq!(scan.archive.skip_reason(), Some(SkipReason::Unreadable));
        assert!(scan.is_consistent(&dir));
        std::fs::write(path.join("another"), "whole").expect("can be written");
        std::fs::rename(path.join("another"), &archive).expect("replaces it");
        assert!(!scan.is_consistent(&dir));
        std::fs::remove_dir_all(&path).expect("can be removed");
    }
}
