//! Memory of 64-bit words that is zero at first, never moves, and may be written by several threads or processes.

use std::{fmt, fs::File, io, ptr::NonNull, sync::atomic::AtomicU64};

use memmap2::{MmapMut, MmapOptions, MmapRaw};

/// Words of 4 KiB, of which everything takes a multiple. It is a page on most systems; where pages are larger, one holds
/// several.
pub(crate) const PAGE: usize = 512;

/// A run of words, unmapped when dropped.
pub(crate) struct Words {
    first: NonNull<AtomicU64>,
    len: usize,
    /// What is kept mapped; nothing if there are no words.
    _map: Option<Box<MmapRaw>>,
}

#[allow(
    unsafe_code,
    reason = "the pointer is to words that every thread may read and write"
)]
// SAFETY: `first` and `len` describe memory of `map`, which lives as long and is only ever seen as atomic words.
unsafe impl Send for Words {}
#[allow(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// No words at all.
    pub(crate) const fn none() -> Self {
        Self {
            first: NonNull::dangling(),
            len: 0,
            _map: None,
        }
    }

    /// Takes words from the system; their pages cost nothing before they are written.
    pub(crate) fn anonymous(len: usize) -> io::Result<Self> {
        MmapMut::map_anon(len * 8).map(|map| Self::new(map.into()))
    }

    /// Maps words of a file, shared with whoever else maps it. They must be there already: on disk, and not only as a
    /// length.
    ///
    /// # Errors
    ///
    /// Where the system cannot map, or the range is not within the file.
    pub(crate) fn of_file(file: &File, offset: u64, len: usize) -> io::Result<Self> {
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

    /// Maps words of a file that another writes, to read them.
    ///
    /// # Errors
    ///
    /// As [`Self::of_file`].
    pub(crate) fn of_foreign_file(file: &File, len: usize) -> io::Result<Self> {
        if (len as u64) * 8 > file.metadata()?.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        MmapOptions::new()
            .len(len * 8)
            .map_raw_read_only(file)
            .map(Self::new)
    }

    fn new(map: MmapRaw) -> Self {
        // A mapping begins at a page, what was asked for at a multiple of 4 KiB within it: aligned for words either way.
        match NonNull::new(map.as_mut_ptr().cast::<AtomicU64>()) {
            Some(first) => Self {
                first,
                len: map.len() / 8,
                _map: Some(Box::new(map)),
            },
            None => Self::none(),
        }
    }

    /// The words.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[AtomicU64] {
        // SAFETY: `first` is aligned and, unless `len` is zero, points to `len` words of `map`, which stays mapped until
        // `self` is dropped, and the slice lives no longer; every bit pattern is a valid word; whoever else writes it, in
        // this process or another, does so by aligned stores of 64 bits. A mapping that is read-only (see
        // `of_foreign_file`) is only handed to code that reads it, by relaxed loads: no others are allowed there, and
        // these only where a word is no wider than a pointer, which `Directory::open` sees to. A file that somebody else cuts short under the mapping raises SIGBUS,
        // which no program can rule out for a mapped file: ours are never shrunk.
        #[allow(unsafe_code, reason = "the one place where mapped memory becomes words")]
        unsafe {
            std::slice::from_raw_parts(self.first.as_ptr(), self.len)
        }
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
