//! Text from outside, made safe for a log line.

use std::fmt::{self, Display, Write};

/// The longest text that is written, in characters.
const MAX_CHARS: usize = 512;

/// Displays text that a client chose so that it cannot forge a log line or drive a terminal.
///
/// Control characters, line separators and marks that change the direction of text are written as `\n` or `\u{1b}`, and a
/// backslash twice. Text beyond 512 characters is replaced by `…`.
///
/// ```
/// use campanile_metrics::Escaped;
///
/// assert_eq!(Escaped("a\nlevel=ERROR \u{1b}[2J").to_string(), "a\\nlevel=ERROR \\u{1b}[2J");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

struct Escaping<'a, 'f> {
    inner: &'a mut fmt::Formatter<'f>,
    left: usize,
}

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaping = Escaping {
            inner: f,
            left: MAX_CHARS,
        };
        write!(escaping, "{}", self.0)
    }
}

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match self.left {
                0 => return Ok(()),
                1 => self.inner.write_char('…')?,
                _ if is_unsafe(c) => write!(self.inner, "{}", c.escape_default())?,
                _ => self.inner.write_char(c)?,
            }
            self.left -= 1;
        }
        Ok(())
    }
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\\' | '\u{2028}' | '\u{2029}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_begin_a_line_or_drive_a_terminal() {
        let escaped = |text: &str| Escaped(text).to_string();
        assert_eq!(escaped("/plain path?q=\"ü\""), "/plain path?q=\"ü\"");
        assert_eq!(
            escaped("a\r\nb\0\u{9b}2J\u{7f}"),
            "a\\r\\nb\\u{0}\\u{9b}2J\\u{7f}"
        );
        assert_eq!(escaped("\u{2028}\u{202e}\\n"), "\\u{2028}\\u{202e}\\\\n");
    }

    #[test]
    fn long_text_is_cut() {
        let long = Escaped("é".repeat(2_000)).to_string();
        assert_eq!(long.chars().count(), MAX_CHARS);
        assert!(long.ends_with("é…"), "{long}");
        assert_eq!(Escaped("a".repeat(511)).to_string(), "a".repeat(511));
    }
}
