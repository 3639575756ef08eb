//! The error of opening a shared directory.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

/// The operation of creating a directory.
pub(crate) const CREATE_DIRECTORY: &str = "create directory";
/// The operation of creating a file in the directory.
pub(crate) const CREATE_FILE: &str = "create a file in";
/// Any other reason than a lack of space.
const OTHER: &str = "other";

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

    /// Returns whether the directory would be usable with more space or the permission to write to it.
    pub(crate) fn is_lack_of_space(&self) -> bool {
        let writes = self.operation == CREATE_FILE || self.operation == CREATE_DIRECTORY;
        writes && self.reason() != OTHER
    }

    /// Returns the reason of a lack of space as a label.
    pub(crate) fn reason(&self) -> &'static str {
        match self.kind() {
            io::ErrorKind::StorageFull => "full",
            io::ErrorKind::QuotaExceeded => "quota",
            io::ErrorKind::FileTooLarge => "file_size",
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => "read_only",
            _ => OTHER,
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
