//! Reads what the `Debug` output of an error says about the errors in it.

use std::{error::Error, fmt};

use super::classify::is_tls_error;

/// The words of an error's `Debug` output, outside of quoted text, read as they are written.
#[derive(Default)]
pub(super) struct DebugWords {
    word: [u8; 32],
    /// Beyond the size of `word` if the word is longer, which none of those that count is.
    len: usize,
    place: TextPlace,
    read: usize,
    /// How many words of `Os { code: 111` were read.
    os_words: u8,
    /// The number of the innermost `io::Error`.
    pub(super) errno: Option<i32>,
    /// Whether there is an error of a time limit.
    pub(super) timeout: bool,
    /// Whether there is an error of a connector.
    pub(super) connecting: bool,
    /// Whether there is an error of TLS.
    pub(super) tls: bool,
}

/// Whether a byte is quoted.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum TextPlace {
    #[default]
    Outside,
    Quoted,
    Escaped,
}

/// The bytes of output that are read.
const LIMIT: usize = 4096;

impl DebugWords {
    /// Reads the output of an error.
    #[cold]
    pub(super) fn of(error: &dyn Error) -> Self {
        let mut words = Self::default();
        // Fails where the output is too long: the rest is not needed.
        let _too_long = fmt::write(&mut words, format_args!("{error:?}"));
        words.end_word();
        words
    }

    fn end_word(&mut self) {
        let len = std::mem::take(&mut self.len);
        if len == 0 {
            return;
        }
        let word = self.word.get(..len).unwrap_or_default();
        match word {
            b"Elapsed" | b"TimedOut" | b"TimeoutExpired" => self.timeout = true,
            b"ConnectError" => self.connecting = true,
            word => self.tls |= str::from_utf8(word).is_ok_and(is_tls_error),
        }
        // `io::Error` writes `Os { code: 111, kind: ConnectionRefused, message: "…" }`.
        self.os_words = match (self.os_words, word) {
            (_, b"Os") => 1,
            (1, b"code") => 2,
            (2, digits) => {
                let code = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                self.errno = code.or(self.errno);
                0
            }
            _ => 0,
        };
    }

    fn read(&mut self, byte: u8) {
        match (self.place, byte) {
            (TextPlace::Escaped, _) => self.place = TextPlace::Quoted,
            (TextPlace::Quoted, b'\\') => self.place = TextPlace::Escaped,
            (TextPlace::Quoted, b'"') => self.place = TextPlace::Outside,
            (TextPlace::Quoted, _) => {}
            (TextPlace::Outside, byte) if byte.is_ascii_alphanumeric() || byte == b'_' => {
                if let Some(place) = self.word.get_mut(self.len) {
                    *place = byte;
                }
                self.len += 1;
            }
            (TextPlace::Outside, byte) => {
                self.end_word();
                if byte == b'"' {
                    self.place = TextPlace::Quoted;
                }
            }
        }
    }
}

impl fmt::Write for DebugWords {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.read(byte);
        }
        self.read += text.len();
        if self.read > LIMIT {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error whose `Debug` output has no end.
    struct Endless;

    impl fmt::Debug for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                f.write_str("Elapsed, ")?;
            }
        }
    }

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("endless")
        }
    }

    impl Error for Endless {}

    #[test]
    fn output_without_an_end_is_read_to_the_limit() {
        let words = DebugWords::of(&Endless);
        assert!(words.timeout);
        assert!(words.read > LIMIT && words.read < 2 * LIMIT, "{}", words.read);
    }
}
