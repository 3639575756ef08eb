//! A source series, as the functions of a table see it.

use metrics::Key;

/// The labels of a source series, which a row's condition and computed labels look at.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a>(&'a Key);

impl<'a> Source<'a> {
    pub(super) const fn new(key: &'a Key) -> Self {
        Self(key)
    }

    /// Returns the value of a label; nothing if the series has no such label.
    #[must_use]
    pub fn label(self, name: &str) -> Option<&'a str> {
        let label = self.0.labels().find(|label| label.key() == name);
        label.map(metrics::Label::value)
    }

    /// Returns the value of a label; empty if the series has no such label.
    #[must_use]
    pub fn value(self, name: &str) -> &'a str {
        self.label(name).unwrap_or_default()
    }
}
