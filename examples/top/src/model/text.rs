//! Text of a service, which must not steer the terminal.

use std::fmt;

use serde::Deserialize;

/// A text without control characters: what a service calls itself or its requests is shown in a terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "Option<String>")]
pub struct Text(String);

impl Text {
    /// Returns it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        if text.chars().any(steers) {
            Self(
                text.chars()
                    .map(|c| if steers(c) { '\u{fffd}' } else { c })
                    .collect(),
            )
        } else {
            Self(text)
        }
    }
}

impl From<Option<String>> for Text {
    fn from(text: Option<String>) -> Self {
        text.unwrap_or_default().into()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Controls, and what turns the direction of what follows.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
