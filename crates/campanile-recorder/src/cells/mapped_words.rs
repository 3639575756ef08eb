//! Mapped memory of 64-bit words, zeroed at first, at a fixed address, shared between threads or processes.

use std::{fmt, fs::File, io, ptr::NonNull, sync::atomic::AtomicU64};

use memmap2::{MmapMut, MmapOptions, MmapRaw};

/// Words in 4 KiB, the unit of allocation. That is one page on most systems and a part of one on others.
pub(crate) const PAGE: usize = 512;

/// A mapping of words, unmapped on drop.
pub(crate) struct MappedWords {
    first: NonNull<AtomicU64>,
    len: usize,
    /// `None` if there are no words.
    _map: Option<Box<MmapRaw>>,
}

#[allow(
    unsafe_code,
    reason = "the pointer is to words that every thread may read and write"
)]
// SAFETY: `first` and `len` describe the memory of `_map`, which lives as long and is only accessed as atomic words.
unsafe impl Send for MappedWords {}
#[allow(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl Sync for MappedWords {}

impl MappedWords {
    /// Returns no words.
    pub(crate) const fn empty() -> Self {
        Self {
            first: NonNull::dangling(),
            len: 0,
            _map: None,
        }
    }

    /// Maps anonymous memory. Its pages are allocated by the first write.
    pub(crate) fn anonymous(len: usize) -> io::Result<Self> {
        MmapMut::map_anon(len * 8).map(|map| Self::new(map.into()))
    }

    /// Maps a range of a file, shared with other mappings of it. Disk space for the range must be allocated.
    ///
    /// # Errors
    ///
    /// If mapping fails or the range exceeds the file.
    pub(crate) fn from_file(file: &File, offset: u64, len: usize) -> io::Result<Self> {
        let end = (len as u64)
            .checked_mul(8)
            .and_then(|bytes| bytes.checked_add(offset));
        if end.is_none_or(|end| end > file.metadata().map_or(0, |metadata| metadata.len())) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        MmapOptions::new()
            .offset(offset)
            .len(len * 8)
            .map_raw(file)
            .map(Self::new)
    }

    fn new(map: MmapRaw) -> Self {
        // Aligned for words: a mapping starts at a page, and the range at a multiple of 4 KiB within it.
        match NonNull::new(map.as_mut_ptr().cast::<AtomicU64>()) {
            Some(first) => Self {
                first,
                len: map.len() / 8,
                _map: Some(Box::new(map)),
            },
            None => Self::empty(),
        }
    }

    /// Returns the words.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[AtomicU64] {
        // SAFETY: `first` is aligned and, unless `len` is zero, points to `len` words of `_map`, which stays mapped while
        // `self`, and so the slice, lives. Every bit pattern is a valid word. Other writers, in this process or another,
        // use aligned 64-bit stores. A file truncated under the mapping raises SIGBUS, which cannot be ruled out for any
        // mapped file. Only files that this process created are mapped, allocated in full, with mode 0600.
        #[allow(unsafe_code, reason = "the one place where mapped memory becomes words")]
        unsafe {
            std::slice::from_raw_parts(self.first.as_ptr(), self.len)
        }
    }
}

impl fmt::Debug for MappedWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedWords")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
