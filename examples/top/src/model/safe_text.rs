//! Text that is safe to print on a terminal.

use std::fmt;

use serde::Deserialize;

/// A text in which control characters are replaced: names and IDs come from the service and its clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "Option<String>")]
pub struct SafeText(String);

impl SafeText {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for SafeText {
    fn from(text: String) -> Self {
        if text.chars().any(is_unsafe) {
            let replaced = text.chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c });
            Self(replaced.collect())
        } else {
            Self(text)
        }
    }
}

impl From<Option<String>> for SafeText {
    fn from(text: Option<String>) -> Self {
        text.unwrap_or_default().into()
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Returns whether the character is a control character or changes the text direction.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
