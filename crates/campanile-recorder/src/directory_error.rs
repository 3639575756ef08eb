//! The error of opening a shared directory.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

/// An error of opening a directory that several processes share.
#[derive(Debug)]
pub struct DirectoryError {
    path: PathBuf,
    operation: &'static str,
    source: io::Error,
}

impl DirectoryError {
    /// Creates an error; `operation` completes the message "cannot … PATH".
    pub(crate) fn new(path: &Path, operation: &'static str, source: impl Into<io::Error>) -> Self {
        Self {
            path: path.to_owned(),
            operation,
            source: source.into(),
        }
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the kind of the underlying I/O error.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, operation, .. } = self;
        write!(f, "cannot {operation} {}", path.display())
    }
}

impl Error for DirectoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
