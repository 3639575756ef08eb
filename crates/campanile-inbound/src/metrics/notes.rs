//! What is noted of an exchange in few bits.

use campanile_core::{Outcome, body::MethodClass, grpc::Code};
use http::StatusCode;

/// What is noted of an exchange in few bits, kept in one word.
///
/// Each step of an exchange asks or sets one of them, and all are at hand in one register.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Notes(u64);

/// One bit of [`Notes`].
#[derive(Clone, Copy)]
pub(super) struct Flag(u64);

/// The inner service panicked.
pub(super) const PANICKED: Flag = Flag(1 << 1);
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
/// The time to the end is recorded, with the labels that are usual.
pub(super) const RESPONSE_DURATION: Flag = Flag(1 << 13);
/// The sizes of the bodies are recorded, with the labels that are usual.
pub(super) const BODY_SIZES: Flag = Flag(1 << 14);
/// Something is to be done at the end that most have not to do.
pub(super) const ENDS_APART: Flag = Flag(RPC.0 | LABELLED.0);
/// The end is another than the body says, or its trailers say something.
pub(super) const TOLD_APART: Flag = Flag(RPC.0 | ((1 << TOLD.bits) - 1) << TOLD.shift);
/// Something is to be read from the answer's headers.
pub(super) const TOLD_BY_HEADERS: Flag = Flag(RPC.0 | VIEW.0);

const METHOD: Part = Part { shift: 8, bits: 4 };
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
    /// Makes the notes of an exchange of which nothing is known.
    pub(super) const fn new() -> Self {
        Self(0)
    }

    /// Adds a flag.
    pub(super) const fn with(self, flag: Flag) -> Self {
        Self(self.0 | flag.0)
    }

    /// Adds the number of the request's method.
    #[inline]
    pub(super) fn with_method(self, number: u8) -> Self {
        Self(self.0 | u64::from(number) << METHOD.shift)
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
    pub(super) fn asked(self) -> MethodClass {
        MethodClass::by_number(self.method())
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
    use campanile_core::method;

    use super::*;

    #[test]
    fn notes_are_kept_apart() {
        let connect = method::number(&http::Method::CONNECT);
        let mut notes = Notes::new().with_method(connect);
        for flag in [
            PANICKED,
            ROUTE_KNOWN,
            RPC,
            ACTIVE,
            VIEW,
            LABELLED,
            RESPONSE_DURATION,
            BODY_SIZES,
        ] {
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
        notes.set(PANICKED, false);
        notes.set_told(None);
        notes.set_code(None);
        assert!(!notes.has(PANICKED) && notes.has(ACTIVE));
        assert_eq!((notes.told(), notes.code()), (None, None));
        assert_eq!(
            (notes.method(), notes.asked(), notes.status()),
            (connect, MethodClass::Connect, 999)
        );
    }
}
