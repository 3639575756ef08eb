//! Follows a chunked body to its end, without its content.

/// How far a chunked body was followed. It accepts what hyper accepts, and more: hyper rejects the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    part: Part,
    /// The size of the chunk so far, or what is left of it.
    left: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Part {
    /// Hexadecimal digits.
    Size,
    /// The rest of the line with the size.
    SizeLine,
    Data,
    /// The line end after the data.
    DataEnd,
    /// At the beginning of a line after the last chunk.
    Trailer,
    /// Within a trailer.
    TrailerLine,
    Complete,
}

const PARTS: [Part; 7] = [
    Part::Size,
    Part::SizeLine,
    Part::Data,
    Part::DataEnd,
    Part::Trailer,
    Part::TrailerLine,
    Part::Complete,
];

const LEFT_SHIFT: u32 = 8;

impl Chunks {
    pub(super) const fn new() -> Self {
        Self {
            part: Part::Size,
            left: 0,
        }
    }

    pub(super) fn is_complete(self) -> bool {
        self.part == Part::Complete
    }

    /// Follows bytes up to the end of the body; returns how many belong to it. An invalid body counts as complete.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if self.part == Part::Complete {
                break;
            }
            if self.part == Part::Data {
                let rest = bytes.len() - at;
                let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest);
                self.left -= taken as u64;
                at += taken;
                if self.left == 0 {
                    self.part = Part::DataEnd;
                }
                continue;
            }
            at += 1;
            self.part = match (self.part, byte) {
                (Part::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                    let digit = char::from(byte).to_digit(16).unwrap_or_default();
                    self.left = self.left.saturating_mul(16).saturating_add(u64::from(digit));
                    Part::Size
                }
                (Part::Size | Part::SizeLine, b'\n') if self.left == 0 => Part::Trailer,
                (Part::Size | Part::SizeLine, b'\n') => Part::Data,
                (Part::Size, b'\r' | b'\t' | b' ' | b';') | (Part::SizeLine, _) => Part::SizeLine,
                (Part::DataEnd, b'\r') => Part::DataEnd,
                (Part::DataEnd, b'\n') => Part::Size,
                (Part::Trailer, b'\n') => Part::Complete,
                (Part::Trailer, b'\r') => Part::Trailer,
                (Part::TrailerLine, b'\n') => Part::Trailer,
                (Part::Trailer | Part::TrailerLine, _) => Part::TrailerLine,
                // Invalid.
                (Part::Size | Part::DataEnd | Part::Data | Part::Complete, _) => Part::Complete,
            };
        }
        at
    }

    pub(super) const fn pack(self) -> u64 {
        const MAX: u64 = u64::MAX >> LEFT_SHIFT;
        let left = if self.left > MAX { MAX } else { self.left };
        self.part as u64 | left << LEFT_SHIFT
    }

    pub(super) fn unpack(packed: u64) -> Self {
        let part = PARTS.get(usize::from(packed as u8)).copied();
        Self {
            part: part.unwrap_or(Part::Complete),
            left: packed >> LEFT_SHIFT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_is_found_byte_by_byte_and_at_once() {
        let bodies: [&[u8]; 5] = [
            b"0\r\n\r\n",
            b"5\r\nab\r\n\r\r\n0\r\n\r\n",
            b"A ;x=\"y\"\r\n0123456789\r\n000\r\nt: u\r\nv: w\r\n\r\n",
            b"1\nx\n0\n\n",
            b"1\r\nx\r\n2\r\nyz\r\n0;e\r\n\r\n",
        ];
        for body in bodies {
            let mut message = body.to_vec();
            message.extend_from_slice(b"GET");
            let mut chunks = Chunks::new();
            assert_eq!(chunks.follow(&message), body.len(), "{body:?}");
            assert!(chunks.is_complete());
            let mut chunks = Chunks::new();
            for (at, byte) in body.iter().enumerate() {
                assert!(!chunks.is_complete(), "{body:?} at {at}");
                assert_eq!(chunks.follow(&[*byte]), 1);
                chunks = Chunks::unpack(chunks.pack());
            }
            assert!(chunks.is_complete(), "{body:?}");
        }
    }

    #[test]
    fn invalid_bodies_are_left_to_hyper() {
        for body in ["x", "1\r\nxy", "-1\r\n"] {
            let mut chunks = Chunks::new();
            chunks.follow(body.as_bytes());
            assert!(chunks.is_complete(), "{body}");
        }
        let mut huge = Chunks::new();
        huge.follow(b"ffffffffffffffffffffffff\r\nabc");
        assert!(!Chunks::unpack(huge.pack()).is_complete());
    }
}
