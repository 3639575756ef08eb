//! The state of an exchange in one word.

use campanile_core::{Outcome, exchange::MethodClass, grpc::Code};
use http::StatusCode;

/// Flags and small numbers of an exchange, packed into one word that fits a register.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct ExchangeFlags(u64);

/// One bit of [`ExchangeFlags`], or several of which one suffices.
#[derive(Clone, Copy)]
pub(super) struct Flag(u64);

/// The route is settled.
pub(super) const ROUTE_KNOWN: Flag = Flag(1 << 2);
/// The request is a gRPC call.
pub(super) const RPC: Flag = Flag(1 << 3);
/// The gauge was raised, so it has to fall; not while there is no recorder.
pub(super) const ACTIVE: Flag = Flag(1 << 4);
/// The view name of the response is the route.
pub(super) const VIEW: Flag = Flag(1 << 5);
/// Times and sizes carry status and outcome as labels.
pub(super) const STATUS_LABELS: Flag = Flag(1 << 6);
/// The time to the end is recorded, by method and route.
pub(super) const RESPONSE_DURATION: Flag = Flag(1 << 13);
/// The sizes of the bodies are recorded, by method and route.
pub(super) const BODY_SIZES: Flag = Flag(1 << 14);
/// The request has a body, whose client may leave before it is complete.
pub(super) const UPLOAD: Flag = Flag(1 << 26);
/// The client left before its request body was complete.
pub(super) const CLIENT_LEFT: Flag = Flag(1 << 27);
/// The end takes the slow path for its labels.
pub(super) const SLOW_END: Flag = Flag(RPC.0 | STATUS_LABELS.0);
/// The outcome may differ from what the end of the body says.
pub(super) const SLOW_OUTCOME: Flag = Flag(RPC.0 | UPLOAD.0 | ((1 << OUTCOME.bits) - 1) << OUTCOME.shift);
/// The response headers have to be read, or the request body has to be looked after.
pub(super) const SLOW_RESPONSE: Flag = Flag(RPC.0 | VIEW.0 | UPLOAD.0);

const METHOD: Field = Field { shift: 8, bits: 4 };
/// The fields below hold one more than their number, so that zero is none.
const OUTCOME: Field = Field { shift: 16, bits: 3 };
const CODE: Field = Field { shift: 20, bits: 5 };
const STATUS: Field = Field { shift: 32, bits: 10 };

const _: () = assert!(Outcome::ALL.len() < 1 << OUTCOME.bits && Code::ALL.len() < 1 << CODE.bits);

/// A small number in [`ExchangeFlags`].
#[derive(Clone, Copy)]
struct Field {
    shift: u32,
    bits: u32,
}

impl ExchangeFlags {
    /// Makes the flags of an exchange of which nothing is known.
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

    /// Returns whether the flag is set, or one of several.
    #[inline]
    pub(super) fn has(self, flag: Flag) -> bool {
        self.0 & flag.0 != 0
    }

    #[inline]
    pub(super) fn set(&mut self, flag: Flag, on: bool) {
        self.0 = if on { self.0 | flag.0 } else { self.0 & !flag.0 };
    }

    #[inline]
    fn field(self, field: Field) -> usize {
        (self.0 >> field.shift) as usize & ((1 << field.bits) - 1)
    }

    #[inline]
    fn set_field(&mut self, field: Field, value: usize) {
        let mask = (1 << field.bits) - 1;
        self.0 = (self.0 & !(mask << field.shift)) | (value as u64 & mask) << field.shift;
    }

    /// Returns the number of the request's method.
    pub(super) fn method(self) -> u8 {
        self.field(METHOD) as u8
    }

    /// Returns the class of the request's method.
    pub(super) fn method_class(self) -> MethodClass {
        MethodClass::of_number(self.method())
    }

    /// Returns the status of the response head; 0 without one.
    #[inline]
    pub(super) fn status(self) -> u16 {
        self.field(STATUS) as u16
    }

    #[inline]
    pub(super) fn set_status(&mut self, status: StatusCode) {
        self.set_field(STATUS, status.as_u16().into());
    }

    /// Forgets the response head.
    pub(super) fn clear_status(&mut self) {
        self.set_field(STATUS, 0);
    }

    /// Returns the outcome that the response named, which takes precedence over the end of the body.
    #[inline]
    pub(super) fn outcome(self) -> Option<Outcome> {
        Outcome::ALL.get(self.field(OUTCOME).wrapping_sub(1)).copied()
    }

    pub(super) fn set_outcome(&mut self, outcome: Option<Outcome>) {
        self.set_field(OUTCOME, outcome.map_or(0, |outcome| outcome.index() + 1));
    }

    /// Returns the gRPC status.
    pub(super) fn code(self) -> Option<Code> {
        Code::ALL.get(self.field(CODE).wrapping_sub(1)).copied()
    }

    pub(super) fn set_code(&mut self, code: Option<Code>) {
        self.set_field(CODE, code.map_or(0, |code| code as usize + 1));
    }
}

#[cfg(test)]
mod tests {
    use campanile_core::method;

    use super::*;

    #[test]
    fn flags_and_numbers_do_not_overlap() {
        let connect = method::number(&http::Method::CONNECT);
        let mut flags = ExchangeFlags::new().with_method(connect);
        for flag in [
            ROUTE_KNOWN,
            RPC,
            ACTIVE,
            VIEW,
            STATUS_LABELS,
            RESPONSE_DURATION,
            BODY_SIZES,
            UPLOAD,
            CLIENT_LEFT,
        ] {
            assert!(!flags.has(flag));
            flags.set(flag, true);
        }
        assert_eq!((flags.outcome(), flags.code()), (None, None));
        flags.set_status(StatusCode::from_u16(999).unwrap());
        for outcome in Outcome::ALL {
            for code in Code::ALL {
                flags.set_outcome(Some(outcome));
                flags.set_code(Some(code));
                assert_eq!((flags.outcome(), flags.code()), (Some(outcome), Some(code)));
            }
        }
        flags.set(VIEW, false);
        flags.set_outcome(None);
        flags.set_code(None);
        assert!(!flags.has(VIEW) && flags.has(ACTIVE));
        assert_eq!((flags.outcome(), flags.code()), (None, None));
        assert_eq!(
            (flags.method(), flags.method_class(), flags.status()),
            (connect, MethodClass::Connect, 999)
        );
    }
}
