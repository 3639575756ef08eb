//! The entries of a table, in chunks that never move.

use std::sync::OnceLock;

use super::table::SeriesKey;

/// Bytes of a key that are stored in the entry itself, which is enough for most routes, hosts and methods.
const INLINE_LEN: usize = 28;

/// Entries of the first chunk; each chunk has twice as many as the one before.
const FIRST_LEN: usize = 16;
const CHUNKS: usize = 26;

/// The entries of a table, in the order of insertion.
pub(super) struct Entries<V> {
    chunks: [OnceLock<Box<[AlignedEntry<V>]>>; CHUNKS],
}

/// Aligned to a cache line, so that an entry spans as few lines as possible.
#[repr(align(64))]
struct AlignedEntry<V>(OnceLock<Entry<V>>);

/// A key and its value.
#[repr(C)]
pub(super) struct Entry<V> {
    /// First, so that a value can arrange its fields by cache lines.
    pub(super) value: V,
    key: StoredKey,
}

enum StoredKey {
    /// Both names, one after the other.
    Inline {
        tag: u8,
        first: u8,
        len: u8,
        text: [u8; INLINE_LEN],
    },
    Boxed(Box<BoxedKey>),
}

struct BoxedKey {
    tag: u8,
    first: Box<str>,
    second: Box<str>,
}

impl<V> Entry<V> {
    pub(super) fn new(key: &SeriesKey<'_>, value: V) -> Self {
        Self {
            key: StoredKey::new(key),
            value,
        }
    }

    #[inline]
    pub(super) fn is(&self, key: &SeriesKey<'_>) -> bool {
        match &self.key {
            StoredKey::Inline {
                tag,
                first,
                len,
                text,
            } => {
                let (first, len) = (usize::from(*first), usize::from(*len));
                *tag == key.tag
                    && first == key.first.len()
                    && len == first + key.second.len()
                    && text.get(..first) == Some(key.first.as_bytes())
                    // Most keys have one name and need no second comparison.
                    && (len == first || text.get(first..len) == Some(key.second.as_bytes()))
            }
            StoredKey::Boxed(boxed) => boxed.is(key),
        }
    }

    /// Returns both names.
    pub(super) fn names(&self) -> (&str, &str) {
        match &self.key {
            StoredKey::Inline { first, len, text, .. } => {
                let names =
                    str::from_utf8(&text[..usize::from(*len)]).expect("two strings, one after the other");
                names.split_at((*first).into())
            }
            StoredKey::Boxed(boxed) => (&boxed.first, &boxed.second),
        }
    }
}

impl StoredKey {
    fn new(key: &SeriesKey<'_>) -> Self {
        let (first, len) = (key.first.len(), key.first.len() + key.second.len());
        let (Ok(first_len), Ok(all_len), true) = (u8::try_from(first), u8::try_from(len), len <= INLINE_LEN)
        else {
            return Self::Boxed(Box::new(BoxedKey {
                tag: key.tag,
                first: key.first.into(),
                second: key.second.into(),
            }));
        };
        let mut text = [0; INLINE_LEN];
        text[..first].copy_from_slice(key.first.as_bytes());
        text[first..len].copy_from_slice(key.second.as_bytes());
        Self::Inline {
            tag: key.tag,
            first: first_len,
            len: all_len,
            text,
        }
    }
}

impl BoxedKey {
    fn is(&self, key: &SeriesKey<'_>) -> bool {
        self.tag == key.tag && *self.first == *key.first && *self.second == *key.second
    }
}

impl<V> Entries<V> {
    pub(super) const fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// Returns the entry at an index.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&Entry<V>> {
        let (chunk, offset) = split(index);
        self.chunks.get(chunk)?.get()?.get(offset)?.0.get()
    }

    /// Sets the entry at an index, once.
    pub(super) fn set(&self, index: usize, entry: Entry<V>) {
        let (chunk, offset) = split(index);
        let empty = || {
            (0..FIRST_LEN << chunk)
                .map(|_| AlignedEntry(OnceLock::new()))
                .collect()
        };
        let set = self.chunks[chunk].get_or_init(empty)[offset].0.set(entry);
        assert!(set.is_ok(), "the entry is set already");
    }
}

/// Splits an index into the chunk and the offset in it.
#[inline]
fn split(index: usize) -> (usize, usize) {
    let chunk = (index / FIRST_LEN + 1).ilog2() as usize;
    (chunk, index - FIRST_LEN * ((1 << chunk) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_fill_one_chunk_after_the_other() {
        let mut expected = (0, 0);
        for index in 0..10 * FIRST_LEN {
            assert_eq!(split(index), expected, "{index}");
            expected.1 += 1;
            if expected.1 == FIRST_LEN << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    #[test]
    fn inline_and_boxed_keys_equal_themselves_only() {
        let long = "/".repeat(INLINE_LEN);
        let all: Vec<SeriesKey<'_>> = [
            "",
            "a",
            "ab",
            &long[1..],
            &long,
            "/a/route/that/is/rather/long/{id}",
        ]
        .into_iter()
        .flat_map(|first| [(first, ""), (first, "b"), (first, &long)])
        .flat_map(|(first, second)| [SeriesKey::new(0, first, second), SeriesKey::new(1, first, second)])
        .collect();
        for (n, one) in all.iter().enumerate() {
            let entry = Entry::new(one, ());
            assert_eq!(entry.names(), (one.first, one.second));
            for (m, other) in all.iter().enumerate() {
                assert_eq!(entry.is(other), n == m, "{one:?} and {other:?}");
            }
        }
    }
}
