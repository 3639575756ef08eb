//! Reads the framing of a body from the bytes of an HTTP/1 request head.

use super::upload::Framing;

const NAMES: [&[u8]; 2] = [b"content-length:", b"transfer-encoding:"];

/// How far a head was read. It accepts what hyper accepts, and more: hyper rejects the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    part: Part,
    is_chunked: bool,
    length: u64,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    /// A line that does not matter.
    Rest,
    LineStart,
    /// After `\r` at the beginning of a line.
    LineStartCr,
    /// Within one of the names, after so many bytes.
    Name(u8, u8),
    Length,
}

impl Head {
    pub(super) const fn new() -> Self {
        Self {
            part: Part::Rest,
            is_chunked: false,
            length: 0,
        }
    }

    /// Returns the framing of a complete head.
    pub(super) const fn framing(self) -> Framing {
        match self.is_chunked {
            // hyper rejects other codings.
            true => Framing::Chunked,
            false => Framing::Length(self.length),
        }
    }

    /// Reads bytes up to the empty line; returns how many belong to the head once it is complete. As hyper, it accepts lines
    /// that end with `\n`.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            self.part = match (self.part, byte) {
                (Part::LineStart | Part::LineStartCr, b'\n') => return Some(at + 1),
                (_, b'\n') => Part::LineStart,
                (Part::LineStart, b'\r') => Part::LineStartCr,
                (Part::LineStart, b'c' | b'C') => Part::Name(0, 1),
                (Part::LineStart, b't' | b'T') => Part::Name(1, 1),
                (Part::Name(name, matched), byte) => self.follow_name(name, matched, *byte),
                (Part::Length, b'0'..=b'9') => {
                    let digit = u64::from(byte - b'0');
                    self.length = self.length.saturating_mul(10).saturating_add(digit);
                    Part::Length
                }
                (Part::Length, _) => Part::Length,
                (Part::Rest | Part::LineStart | Part::LineStartCr, _) => Part::Rest,
            };
        }
        None
    }

    fn follow_name(&mut self, name: u8, matched: u8, byte: u8) -> Part {
        let rest = NAMES[usize::from(name)]
            .get(usize::from(matched)..)
            .unwrap_or_default();
        match rest {
            [next, ..] if !byte.eq_ignore_ascii_case(next) => Part::Rest,
            [_, _, ..] => Part::Name(name, matched + 1),
            _ if name == 0 => {
                self.length = 0;
                Part::Length
            }
            _ => {
                self.is_chunked = true;
                Part::Rest
            }
        }
    }

    pub(super) const fn pack(self) -> (u64, u64) {
        let [part, name, matched] = match self.part {
            Part::Rest => [0, 0, 0],
            Part::LineStart => [1, 0, 0],
            Part::LineStartCr => [2, 0, 0],
            Part::Name(name, matched) => [3, name, matched],
            Part::Length => [4, 0, 0],
        };
        let chunked = self.is_chunked as u8;
        (
            u64::from_le_bytes([part, name, matched, chunked, 0, 0, 0, 0]),
            self.length,
        )
    }

    pub(super) const fn unpack(packed: u64, length: u64) -> Self {
        let [part, name, matched, chunked, ..] = packed.to_le_bytes();
        Self {
            part: match part {
                1 => Part::LineStart,
                2 => Part::LineStartCr,
                3 => Part::Name(name % 2, matched),
                4 => Part::Length,
                _ => Part::Rest,
            },
            is_chunked: chunked != 0,
            length,
        }
    }
}
