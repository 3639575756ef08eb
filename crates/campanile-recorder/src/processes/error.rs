//! Why a directory cannot be used.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

/// A directory in which a recorder could not put its file.
#[derive(Debug)]
pub struct DirectoryError {
    path: PathBuf,
    doing: &'static str,
    source: io::Error,
}

impl DirectoryError {
    pub(crate) fn new(path: &Path, doing: &'static str, source: impl Into<io::Error>) -> Self {
        Self {
            path: path.to_owned(),
            doing,
            source: source.into(),
        }
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what kind of failure it was.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} in {}: {}",
            self.doing,
            self.path.display(),
            self.source
        )
    }
}

impl Error for DirectoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
