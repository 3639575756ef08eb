//! Where the entries of a table stand: side by side, and each for ever.

use std::sync::OnceLock;

use super::table::Key;

/// Bytes of a key that stand in the entry itself, beside the handles: most routes, hosts and methods.
const SHORT: usize = 28;

/// Entries of the first chunk; each chunk has twice as many as the one before.
const FIRST: usize = 16;
const CHUNKS: usize = 26;

/// The entries of a table, by the order of their coming.
pub(super) struct Entries<V> {
    chunks: [OnceLock<Box<[Slot<V>]>>; CHUNKS],
}

/// Begins with a cache line, so that an entry touches as few of them as it can.
#[repr(align(64))]
struct Slot<V>(OnceLock<Entry<V>>);

/// A key and what stands under it.
#[repr(C)]
pub(super) struct Entry<V> {
    /// Comes first: it may have laid out what is touched most by cache lines.
    pub(super) value: V,
    key: StoredKey,
}

enum StoredKey {
    /// Both names, one after the other.
    Short {
        tag: u8,
        first: u8,
        len: u8,
        text: [u8; SHORT],
    },
    Long(Box<LongKey>),
}

struct LongKey {
    tag: u8,
    first: Box<str>,
    second: Box<str>,
}

impl<V> Entry<V> {
    pub(super) fn new(key: &Key<'_>, value: V) -> Self {
        Self {
            key: StoredKey::new(key),
            value,
        }
    }

    #[inline]
    pub(super) fn is(&self, key: &Key<'_>) -> bool {
        match &self.key {
            StoredKey::Short {
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
                    // Most keys have one name: that is known without a comparison.
                    && (len == first || text.get(first..len) == Some(key.second.as_bytes()))
            }
            StoredKey::Long(long) => long.is(key),
        }
    }

    /// Returns both names.
    pub(super) fn names(&self) -> (&str, &str) {
        match &self.key {
            StoredKey::Short { first, len, text, .. } => {
                let names = str::from_utf8(&text[..usize::from(*len)]).expect("made of two texts");
                names.split_at((*first).into())
            }
            StoredKey::Long(long) => (&long.first, &long.second),
        }
    }
}

impl StoredKey {
    fn new(key: &Key<'_>) -> Self {
        let (first, len) = (key.first.len(), key.first.len() + key.second.len());
        let (Ok(first_len), Ok(all_len), true) = (u8::try_from(first), u8::try_from(len), len <= SHORT)
        else {
            return Self::Long(Box::new(LongKey {
                tag: key.tag,
                first: key.first.into(),
                second: key.second.into(),
            }));
        };
        let mut text = [0; SHORT];
        text[..first].copy_from_slice(key.first.as_bytes());
        text[first..len].copy_from_slice(key.second.as_bytes());
        Self::Short {
            tag: key.tag,
            first: first_len,
            len: all_len,
            text,
        }
    }
}

impl LongKey {
    fn is(&self, key: &Key<'_>) -> bool {
        self.tag == key.tag && *self.first == *key.first && *self.second == *key.second
    }
}

impl<V> Entries<V> {
    pub(super) const fn new() -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// Returns the entry that came as the `number`th, counted from zero.
    #[inline]
    pub(super) fn get(&self, number: usize) -> Option<&Entry<V>> {
        let (chunk, place) = split(number);
        self.chunks.get(chunk)?.get()?.get(place)?.0.get()
    }

    /// Puts the entry that comes as the `number`th.
    pub(super) fn put(&self, number: usize, entry: Entry<V>) {
        let (chunk, place) = split(number);
        let places =
            self.chunks[chunk].get_or_init(|| (0..FIRST << chunk).map(|_| Slot(OnceLock::new())).collect());
        // Each number is given once.
        let put = places[place].0.set(entry);
        assert!(put.is_ok(), "each number is given once");
    }
}

/// Finds the chunk of an entry, and its place there.
#[inline]
fn split(number: usize) -> (usize, usize) {
    let chunk = (number / FIRST + 1).ilog2() as usize;
    (chunk, number - FIRST * ((1 << chunk) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fill_one_chunk_after_the_other() {
        let mut expected = (0, 0);
        for number in 0..10 * FIRST {
            assert_eq!(split(number), expected, "{number}");
            expected.1 += 1;
            if expected.1 == FIRST << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }

    #[test]
    fn keys_are_told_apart_whether_they_stand_inside_or_not() {
        let long = "/".repeat(SHORT);
        let all: Vec<Key<'_>> = [
            "",
            "a",
            "ab",
            &long[1..],
            &long,
            "/a/route/that/is/rather/long/{id}",
        ]
        .into_iter()
        .flat_map(|first| [(first, ""), (first, "b"), (first, &long)])
        .flat_map(|(first, second)| [Key::new(0, first, second), Key::new(1, first, second)])
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
