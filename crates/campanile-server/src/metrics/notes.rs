//! What is noted of an exchange in few bits.

use campanile_http::{Outcome, body::Asked, grpc::Code};
use http::StatusCode;

/// What is noted of an exchange in few bits, kept in one word.
///
/// An exchange moves from the future into the body right after it was written. A word is forwarded from the store to
/// the load; a row of small fields, written one by one and copied by larger ones, waits until all are in the cache.
#[derive(Clone, Copy)]
pub(super) struct Notes(u64);

/// One bit of [`Notes`].
#[derive(Clone, Copy)]
pub(super) struct Flag(u64);

/// It is counted here: not for requests that are let pass, and not once its body has taken it over.
pub(super) const COUNTED: Flag = Flag(1);
/// The inner service is being called or polled: a drop meanwhile is its panic.
pub(super) const INSIDE: Flag = Flag(1 << 1);
/// Its route is known, for better or worse.
pub(super) const ROUTE_KNOWN: Flag = Flag(1 << 2);
/// It is a call of gRPC.
pub(super) const RPC: Flag = Flag(1 << 3);
/// The gauge was raised, so it has to fall; not while there is no recorder.
pub(super) const ACTIVE: Flag = Flag(1 << 4);
/// The answer's view is its route.
pub(super) const VIEW: Flag = Flag(1 << 5);
/// Times and sizes have status and outcome as labels.
pub(super) const LABELLED: Flag = Flag(1 << 6);
/// Something is to be done at the end that most have not to do.
pub(super) const ENDS_APART: Flag = Flag(RPC.0 | LABELLED.0);
/// Something is to be read from the answer's headers.
pub(super) const TOLD_BY_HEADERS: Flag = Flag(RPC.0 | VIEW.0);

const METHOD: Part = Part { shift: 8, bits: 4 };
const ASKED: Part = Part { shift: 12, bits: 2 };
/// The places below are kept one higher, so that zero is none.
const TOLD: Part = Part { shift: 16, bits: 3 };
const CODE: Part = Part { shift: 20, bits: 5 };
const STATUS: Part = Part { shift: 32, bits: 10 };

const _: () = assert!(Outcome::ALL.len() < 1 << TOLD.bits && Code::ALL.len() < 1 << CODE.bits);

/// A small number in [`Notes`].
#[derive(Clone, Copy)]
struct Part {
    shift: u32,
    bits: u32,
}

impl Notes {
    #[inline]
    pub(super) fn new(method: u8, asked: Asked) -> Self {
        let asked = match asked {
            Asked::Other => 0,
            Asked::Head => 1,
            Asked::Connect => 2,
        };
        Self(u64::from(method) << METHOD.shift | asked << ASKED.shift)
    }

    /// Tells whether the bit is set; of a flag of several, whether one of them is.
    #[inline]
    pub(super) fn has(self, flag: Flag) -> bool {
        self.0 & flag.0 != 0
    }

    #[inline]
    pub(super) fn set(&mut self, flag: Flag, on: bool) {
        self.0 = if on { self.0 | flag.0 } else { self.0 & !flag.0 };
    }

    #[inline]
    fn part(self, part: Part) -> usize {
        (self.0 >> part.shift) as usize & ((1 << part.bits) - 1)
    }

    #[inline]
    fn set_part(&mut self, part: Part, value: usize) {
        let mask = (1 << part.bits) - 1;
        self.0 = (self.0 & !(mask << part.shift)) | (value as u64 & mask) << part.shift;
    }

    pub(super) fn method(self) -> u8 {
        self.part(METHOD) as u8
    }

    #[inline]
    pub(super) fn asked(self) -> Asked {
        match self.part(ASKED) {
            0 => Asked::Other,
            1 => Asked::Head,
            _ => Asked::Connect,
        }
    }

    /// Returns the status of the answer's head, zero without one.
    #[inline]
    pub(super) fn status(self) -> u16 {
        self.part(STATUS) as u16
    }

    #[inline]
    pub(super) fn set_status(&mut self, status: StatusCode) {
        self.set_part(STATUS, status.as_u16().into());
    }

    /// Returns what an inner layer tells, in place of what the body's end says.
    #[inline]
    pub(super) fn told(self) -> Option<Outcome> {
        Outcome::ALL.get(self.part(TOLD).wrapping_sub(1)).copied()
    }

    pub(super) fn set_told(&mut self, told: Option<Outcome>) {
        self.set_part(TOLD, told.map_or(0, |told| told.index() + 1));
    }

    pub(super) fn code(self) -> Option<Code> {
        Code::ALL.get(self.part(CODE).wrapping_sub(1)).copied()
    }

    pub(super) fn set_code(&mut self, code: Option<Code>) {
        self.set_part(CODE, code.map_or(0, |code| code as usize + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_kept_apart() {
        let mut notes = Notes::new(9, Asked::Connect);
        for flag in [COUNTED, INSIDE, ROUTE_KNOWN, RPC, ACTIVE, VIEW, LABELLED] {
            assert!(!notes.has(flag));
            notes.set(flag, true);
        }
        assert_eq!((notes.told(), notes.code()), (None, None));
        notes.set_status(StatusCode::from_u16(999).unwrap());
        for told in Outcome::ALL {
            for code in Code::ALL {
                notes.set_told(Some(told));
                notes.set_code(Some(code));
                assert_eq!((notes.told(), notes.code()), (Some(told), Some(code)));
            }
        }
        notes.set(INSIDE, false);
        notes.set_told(None);
        notes.set_code(None);
        assert!(!notes.has(INSIDE) && notes.has(COUNTED) && notes.has(ACTIVE));
        assert_eq!((notes.told(), notes.code()), (None, None));
        assert_eq!(
            (notes.method(), notes.asked(), notes.status()),
            (9, Asked::Connect, 999)
        );
    }
}
