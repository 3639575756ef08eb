//! Looks at all files of a directory as they are at one moment.
//!
//! A file's counts are in the file, or in the archive, never in both and never in neither: the archive names the files
//! that it holds, and a file is removed only after an archive is there that names it. So whoever finds the same archive
//! before and after looking at the files has seen every count once.

use std::{collections::BTreeMap, io, sync::Arc};

use crate::{
    buckets::Rules,
    processes::{
        GaugeMode,
        contents::Unread,
        file_name,
        file_name::Named,
        folder::{Folder, Identity, is_owned},
        mapped::Mapped,
        moments,
        own_file::OwnFile,
        totals::{Life, Totals},
    },
};

/// What is known of a directory from scrape to scrape.
#[derive(Debug)]
pub(crate) struct Scan {
    own: Option<(Arc<OwnFile>, Mapped)>,
    pub(crate) others: BTreeMap<String, Other>,
    pub(crate) archive: Archive,
    /// Files that were there at the last look and were not read.
    pub(crate) unread: Vec<Unread>,
    /// Everything that was there at the last look.
    pub(crate) names: Vec<String>,
}

/// What stands under the archive's name.
#[derive(Debug)]
pub(crate) enum Archive {
    None,
    Read(Identity, Box<Mapped>),
    Unread(Option<Identity>, Unread),
}

/// A file of another process.
#[derive(Debug)]
pub(crate) struct Other {
    pub(crate) mapped: Mapped,
    pub(crate) lives: bool,
}

impl Scan {
    /// Begins with nothing but the own file.
    pub(crate) fn new(own: Option<Arc<OwnFile>>) -> Result<Self, Unread> {
        let own = match own {
            Some(own) => {
                let file = own.file().try_clone().map_err(|error| Unread::of(&error))?;
                Some((own, Mapped::new(file)?))
            }
            None => None,
        };
        Ok(Self {
            own,
            others: BTreeMap::new(),
            archive: Archive::None,
            unread: Vec::new(),
            names: Vec::new(),
        })
    }

    /// Forgets the others, and gives back what it costs to know them.
    pub(crate) fn forget(&mut self) {
        self.others.clear();
        self.archive = Archive::None;
    }

    /// Looks at everything anew.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be listed. Then what was known of the others stays known.
    pub(crate) fn look(&mut self, folder: &Folder) -> io::Result<()> {
        // First of all: it is open, so this process tells at least of itself.
        let own = self.own.as_mut().map(|(_, mapped)| mapped.refresh());
        let archive = self.archive.look(folder)?;
        moments::reached("archive looked at");
        let names = folder.names()?;
        if let Some(archive) = archive {
            self.archive = archive;
        }
        self.names = names;
        moments::reached("directory listed");
        self.unread.clear();
        self.unread.extend(own.and_then(Result::err));
        let mut before = std::mem::take(&mut self.others);
        for name in &self.names {
            match Named::of(name) {
                Named::Process => {}
                Named::OtherVersion => {
                    self.unread.push(Unread::Version);
                    continue;
                }
                Named::NewProcess | Named::Other => continue,
            }
            let is_own = self.own.as_ref().is_some_and(|(own, _)| own.name() == name);
            if is_own || self.is_folded(name) {
                continue;
            }
            let mut other = before.remove(name);
            let looked = look_at(folder, name, &mut other);
            self.unread.extend(looked.err());
            if let (Ok(()) | Err(Unread::Exhausted), Some(other)) = (looked, other) {
                self.others.insert(name.clone(), other);
            }
        }
        Ok(())
    }

    /// Tells whether the archive is still the one that was looked at.
    pub(crate) fn is_of_one_moment(&self, folder: &Folder) -> bool {
        let now = folder.identity(&file_name::archive());
        now.is_ok_and(|now| now == self.archive.identity())
    }

    /// Tells whether a file's counts are in the archive.
    pub(crate) fn is_folded(&self, name: &str) -> bool {
        let archive = self.archive.read();
        archive.is_some_and(|archive| archive.contents.folded.iter().any(|folded| folded == name))
    }

    /// The files of those who are gone. What a later version has added to one is lost in an archive of this version's,
    /// so such a file is left to that one.
    pub(crate) fn dead(&self) -> impl Iterator<Item = (&String, &Mapped)> {
        let dead = self
            .others
            .iter()
            .filter(|(_, other)| !other.lives && other.mapped.contents.is_known);
        dead.map(|(name, other)| (name, &other.mapped))
    }

    /// The archive's counts and those of the files of the dead.
    pub(crate) fn dead_totals(&self) -> Totals {
        let mut totals = Totals::default();
        if let Some(archive) = self.archive.read() {
            totals.add(&archive.contents, archive.words(), Life::Dead);
        }
        for (_, mapped) in self.dead() {
            totals.add(&mapped.contents, mapped.words(), Life::Dead);
        }
        totals
    }

    /// All counts, gauges by these modes where they are set.
    pub(crate) fn totals(&self, modes: &Arc<Rules<GaugeMode>>) -> Totals {
        let mut totals = Totals::new(Arc::clone(modes));
        if let Some((_, own)) = &self.own {
            totals.add(&own.contents, own.words(), Life::Own);
        }
        let mut others: Vec<_> = self.others.values().collect();
        others.sort_by_key(|other| (other.mapped.contents.started, other.mapped.contents.pid));
        for other in others {
            let life = if other.lives { Life::Live } else { Life::Dead };
            totals.add(&other.mapped.contents, other.mapped.words(), life);
        }
        if let Some(archive) = self.archive.read() {
            totals.add(&archive.contents, archive.words(), Life::Dead);
        }
        totals
    }
}

impl Archive {
    /// Looks whether it is another by now; nothing if it is not.
    fn look(&self, folder: &Folder) -> io::Result<Option<Self>> {
        let name = file_name::archive();
        // While ours is open no other file has its identity.
        let now = folder.identity(&name)?;
        if !matches!(self, Self::Unread(..)) && now == self.identity() {
            return Ok(None);
        }
        let file = match folder.read(&name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Self::None)),
            Err(error) => {
                return match Unread::of(&error) {
                    Unread::Exhausted => Err(error),
                    unread => Ok(Some(Self::Unread(now, unread))),
                };
            }
        };
        let identity = Identity::of(&file)?;
        Ok(Some(match Mapped::new(file) {
            Ok(archive) if archive.is_whole_archive() => Self::Read(identity, Box::new(archive)),
            Ok(_) => Self::Unread(Some(identity), Unread::Damaged),
            Err(Unread::Exhausted) => return Err(io::ErrorKind::OutOfMemory.into()),
            Err(unread) => Self::Unread(Some(identity), unread),
        }))
    }

    fn identity(&self) -> Option<Identity> {
        match self {
            Self::Read(identity, _) => Some(*identity),
            Self::Unread(identity, _) => *identity,
            Self::None => None,
        }
    }

    fn read(&self) -> Option<&Mapped> {
        match self {
            Self::Read(_, archive) => Some(archive),
            Self::None | Self::Unread(..) => None,
        }
    }

    /// Tells whether nothing of it is lost when it is written anew.
    pub(crate) fn is_known(&self) -> bool {
        self.read().is_none_or(|archive| archive.contents.is_known)
    }

    /// Why it is not read, if it is there and is not.
    pub(crate) fn unread(&self) -> Option<Unread> {
        match self {
            Self::Unread(_, unread) => Some(*unread),
            Self::None | Self::Read(..) => None,
        }
    }
}

/// Looks at a file, and anew at one that is known; it is nothing if it is gone. Where the system is exhausted, what was
/// known is as it was: nobody is found dead whose last counts were not read.
fn look_at(folder: &Folder, name: &str, known: &mut Option<Other>) -> Result<(), Unread> {
    let other = match known {
        Some(other) => other,
        None => match folder.read(name) {
            Ok(file) => known.insert(Other {
                mapped: Mapped::new(file)?,
                lives: true,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Unread::of(&error)),
        },
    };
    // Before its counts are read: of one found dead they are the last.
    let lives = is_owned(&other.mapped.file).map_err(|error| Unread::of(&error))?;
    other.mapped.refresh()?;
    moments::reached("file looked at");
    other.lives = lives;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_that_is_replaced_while_it_is_not_read_is_looked_at_again() {
        let path = std::env::temp_dir().join(format!("campanile-recorder-moment-{}", std::process::id()));
        let folder = Folder::open(&path).expect("opens");
        let archive = path.join(file_name::archive());
        std::os::unix::fs::symlink("/dev/zero", &archive).expect("can be made");
        let mut scan = Scan::new(None).expect("has no file");
        scan.look(&folder).expect("can look");
        assert_eq!(scan.archive.unread(), Some(Unread::Unreadable));
        assert!(scan.is_of_one_moment(&folder));
        std::fs::write(path.join("another"), "whole").expect("can be written");
        std::fs::rename(path.join("another"), &archive).expect("takes its place");
        assert!(!scan.is_of_one_moment(&folder));
        std::fs::remove_dir_all(&path).expect("can be removed");
    }
}
