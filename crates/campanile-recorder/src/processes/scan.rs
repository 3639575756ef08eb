//! Reads all files of a directory consistently.
//!
//! The counts of a file are either in the file or in the archive, never in both and never in neither: the archive lists
//! the files that it includes, and a file is removed only after an archive that lists it is in place. So a reader that
//! finds the same archive before and after reading the files has seen every count exactly once.

use std::{collections::BTreeMap, io, sync::Arc};

use crate::{
    GaugeMode,
    matcher::MatchRules,
    processes::{
        dir::{Dir, FileId},
        failpoints::failpoint,
        file_lock::is_locked,
        file_name::{self, FileKind},
        mapped_file::MappedFile,
        parser::SkipReason,
        process_file::ProcessFile,
        totals::{Liveness, Totals},
    },
};

/// The state of a directory, kept between scrapes.
#[derive(Debug)]
pub(crate) struct DirectoryScan {
    own: Option<(Arc<ProcessFile>, MappedFile)>,
    peers: BTreeMap<String, PeerFile>,
    pub(crate) archive: ArchiveState,
    /// Why files were skipped at the last scan, one entry per file.
    pub(crate) skipped: Vec<SkipReason>,
    /// The names of all files at the last scan.
    pub(crate) file_names: Vec<String>,
}

/// The archive at the last scan.
#[derive(Debug)]
pub(crate) enum ArchiveState {
    Missing,
    Mapped(FileId, Box<MappedFile>),
    Skipped(Option<FileId>, SkipReason),
}

/// The file of another process.
#[derive(Debug)]
struct PeerFile {
    mapped: MappedFile,
    is_alive: bool,
}

impl DirectoryScan {
    /// Creates the state before the first scan, with the file of this process only.
    pub(crate) fn new(own: Option<Arc<ProcessFile>>) -> Result<Self, SkipReason> {
        let own = match own {
            Some(own) => {
                let file = own
                    .file()
                    .try_clone()
                    .map_err(|error| SkipReason::from_error(&error))?;
                Some((own, MappedFile::new(file)?))
            }
            None => None,
        };
        Ok(Self {
            own,
            peers: BTreeMap::new(),
            archive: ArchiveState::Missing,
            skipped: Vec::new(),
            file_names: Vec::new(),
        })
    }

    /// Unmaps and closes the files of other processes.
    pub(crate) fn close_peers(&mut self) {
        self.peers.clear();
        self.archive = ArchiveState::Missing;
    }

    /// Reads the directory.
    ///
    /// # Errors
    ///
    /// If the directory cannot be listed. The state of other files is then that of the previous scan.
    pub(crate) fn refresh(&mut self, dir: &Dir) -> io::Result<()> {
        // First, since it cannot fail for lack of descriptors: this process is always included.
        let own = self.own.as_mut().map(|(_, mapped)| mapped.refresh());
        let archive = self.archive.refresh(dir)?;
        failpoint("archive read");
        let file_names = dir.file_names()?;
        if let Some(archive) = archive {
            self.archive = archive;
        }
        self.file_names = file_names;
        failpoint("directory listed");
        self.skipped.clear();
        self.skipped.extend(own.and_then(Result::err));
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
            let is_own = self.own.as_ref().is_some_and(|(own, _)| own.name() == name);
            if is_own || self.is_archived(name) {
                continue;
            }
            let mut peer = before.remove(name);
            let refreshed = refresh_peer(dir, name, &mut peer);
            self.skipped.extend(refreshed.err());
            if let (Ok(()) | Err(SkipReason::Exhausted), Some(peer)) = (refreshed, peer) {
                self.peers.insert(name.clone(), peer);
            }
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
        let archive = self.archive.mapped();
        archive.is_some_and(|archive| archive.parsed.archived_files.iter().any(|file| file == name))
    }

    /// Returns the files of processes that have exited, except those with records of a later version: an archive of
    /// this version would lose them.
    pub(crate) fn exited(&self) -> impl Iterator<Item = (&String, &MappedFile)> {
        let exited = self
            .peers
            .iter()
            .filter(|(_, peer)| !peer.is_alive && peer.mapped.parsed.is_fully_known);
        exited.map(|(name, peer)| (name, &peer.mapped))
    }

    /// Returns the totals of the archive and the files of [`Self::exited`].
    pub(crate) fn exited_totals(&self) -> Totals {
        let mut totals = Totals::default();
        if let Some(archive) = self.archive.mapped() {
            totals.add(&archive.parsed, archive.words(), Liveness::Exited);
        }
        for (_, mapped) in self.exited() {
            totals.add(&mapped.parsed, mapped.words(), Liveness::Exited);
        }
        totals
    }

    /// Returns the totals of all files. `modes` override the gauge modes in the files.
    pub(crate) fn totals(&self, modes: &Arc<MatchRules<GaugeMode>>) -> Totals {
        let mut totals = Totals::new(Arc::clone(modes));
        if let Some((_, own)) = &self.own {
            totals.add(&own.parsed, own.words(), Liveness::Own);
        }
        let mut peers: Vec<_> = self.peers.values().collect();
        peers.sort_by_key(|peer| (peer.mapped.parsed.started, peer.mapped.parsed.pid));
        for peer in peers {
            let liveness = if peer.is_alive {
                Liveness::Alive
            } else {
                Liveness::Exited
            };
            totals.add(&peer.mapped.parsed, peer.mapped.words(), liveness);
        }
        if let Some(archive) = self.archive.mapped() {
            totals.add(&archive.parsed, archive.words(), Liveness::Exited);
        }
        totals
    }
}

impl ArchiveState {
    /// Reads the archive; `None` if it is unchanged.
    fn refresh(&self, dir: &Dir) -> io::Result<Option<Self>> {
        let name = file_name::archive();
        // While the mapped file is open, no other file can have its identity.
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
        let file_id = FileId::from_file(&file)?;
        Ok(Some(match MappedFile::new(file) {
            Ok(archive) if archive.is_valid_archive() => Self::Mapped(file_id, Box::new(archive)),
            Ok(_) => Self::Skipped(Some(file_id), SkipReason::Damaged),
            Err(SkipReason::Exhausted) => return Err(io::ErrorKind::OutOfMemory.into()),
            Err(reason) => Self::Skipped(Some(file_id), reason),
        }))
    }

    fn file_id(&self) -> Option<FileId> {
        match self {
            Self::Mapped(file_id, _) => Some(*file_id),
            Self::Skipped(file_id, _) => *file_id,
            Self::Missing => None,
        }
    }

    fn mapped(&self) -> Option<&MappedFile> {
        match self {
            Self::Mapped(_, archive) => Some(archive),
            Self::Missing | Self::Skipped(..) => None,
        }
    }

    /// Returns whether rewriting the archive loses nothing that a later version added.
    pub(crate) fn is_fully_known(&self) -> bool {
        self.mapped().is_none_or(|archive| archive.parsed.is_fully_known)
    }

    /// Returns why the archive is skipped, if it is.
    pub(crate) fn skip_reason(&self) -> Option<SkipReason> {
        match self {
            Self::Skipped(_, reason) => Some(*reason),
            Self::Missing | Self::Mapped(..) => None,
        }
    }
}

/// Opens or refreshes the file of another process; `peer` stays `None` if it is gone. With [`SkipReason::Exhausted`] a
/// known peer is unchanged, so that no process is found dead before its last counts have been read.
fn refresh_peer(dir: &Dir, name: &str, peer: &mut Option<PeerFile>) -> Result<(), SkipReason> {
    let peer = match peer {
        Some(peer) => peer,
        None => match dir.open_read(name) {
            Ok(file) => peer.insert(PeerFile {
                mapped: MappedFile::new(file)?,
                is_alive: true,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(SkipReason::from_error(&error)),
        },
    };
    // Checked before the counts are read: those of an exited process are then final.
    let is_alive = is_locked(&peer.mapped.file).map_err(|error| SkipReason::from_error(&error))?;
    peer.mapped.refresh()?;
    failpoint("file read");
    peer.is_alive = is_alive;
    Ok(())
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
        let mut scan = DirectoryScan::new(None).expect("has no file");
        scan.refresh(&dir).expect("can be read");
        assert_eq!(scan.archive.skip_reason(), Some(SkipReason::Unreadable));
        assert!(scan.is_consistent(&dir));
        std::fs::write(path.join("another"), "whole").expect("can be written");
        std::fs::rename(path.join("another"), &archive).expect("replaces it");
        assert!(!scan.is_consistent(&dir));
        std::fs::remove_dir_all(&path).expect("can be removed");
    }
}
