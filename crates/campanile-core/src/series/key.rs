//! What blocks of handles stand under.

/// What a block of handles stands under: a small number, such as a method's, and up to two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    pub(super) tag: u8,
    pub(super) first: &'a str,
    pub(super) second: &'a str,
}

impl<'a> Key<'a> {
    /// Makes a key; leave `second` empty where one name is enough.
    #[inline]
    #[must_use]
    pub const fn new(tag: u8, first: &'a str, second: &'a str) -> Self {
        Self { tag, first, second }
    }
}
