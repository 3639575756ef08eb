//! Who sits where: the seats, and what is noted of each request.

use std::{num::NonZeroU32, time::Duration};

use super::{
    free_list::{self, cell},
    label::Label,
};
use crate::{RequestId, clock::FastInstant};

/// What a request is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// It is in the application.
    App,
    /// It waits for an outgoing call.
    Calling,
    /// Its body is being sent.
    Body,
}

impl Phase {
    /// Returns the phase as the word for the outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Calling => "calling",
            Self::Body => "body",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InFlightRequest {
    /// The id of the request.
    pub id: String,
    /// The number that the method was given when the seat was taken.
    pub method: u8,
    /// The route, once it is known.
    pub route: Option<&'static str>,
    /// The time since the request came.
    pub age: Duration,
    /// What it is doing.
    pub phase: Phase,
    /// The host it calls, while it does.
    pub host: Option<&'static str>,
}

/// A seat, held as long as the request is in flight.
#[derive(Debug)]
pub struct InFlightEntry(InFlightEntryRef);

/// Names a seat, to note what its request does. Without effect once the request has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlightEntryRef {
    /// One more than its place, so that nothing has a number too and takes no room.
    number: NonZeroU32,
    generation: u32,
}

impl InFlightEntry {
    /// Takes a seat for a request; nothing when all are taken, or kept by other threads for their next requests.
    #[inline]
    pub fn take(id: &RequestId, method: u8, started: FastInstant) -> Option<Self> {
        let place = free_list::take()?;
        let generation = cell(place).occupy(id.as_header().as_bytes(), method, started.raw());
        let number = NonZeroU32::MIN.saturating_add(place);
        Some(Self(InFlightEntryRef { number, generation }))
    }

    /// Notes that the request's body is being sent.
    ///
    /// The owner need not fear for the next request's row: cheaper than [`InFlightEntryRef::set_body`]. What somebody else notes
    /// in the same moment may be lost.
    #[inline]
    pub fn set_body(&self) {
        cell(self.0.place()).change(in_body);
    }

    /// Returns a name of the seat for others.
    #[inline]
    #[must_use]
    pub fn reference(&self) -> InFlightEntryRef {
        self.0
    }
}

impl Drop for InFlightEntry {
    #[inline]
    fn drop(&mut self) {
        let place = self.0.place();
        cell(place).vacate();
        free_list::put(place);
    }
}

const PHASE: u64 = 0b11;
const ROUTE_SHIFT: u32 = 4;
const HOST_SHIFT: u32 = 24;
const LABEL: u64 = (1 << 20) - 1;

/// The state of a request whose body is being sent.
#[inline]
fn in_body(state: u64) -> u64 {
    (state & !(PHASE | LABEL << HOST_SHIFT)) | 2
}

impl InFlightEntryRef {
    /// Notes the route.
    #[inline]
    pub fn set_route(self, route: Label) {
        self.update(|state| (state & !(LABEL << ROUTE_SHIFT)) | route.number() << ROUTE_SHIFT);
    }

    /// Notes that the request is back in the application.
    #[inline]
    pub fn set_app(self) {
        self.update(|state| state & !(PHASE | LABEL << HOST_SHIFT));
    }

    /// Notes that the request waits for a call to a host.
    #[inline]
    pub fn set_calling(self, host: Label) {
        self.update(|state| (state & !(PHASE | LABEL << HOST_SHIFT)) | host.number() << HOST_SHIFT | 1);
    }

    /// Notes that the request's body is being sent.
    #[inline]
    pub fn set_body(self) {
        self.update(in_body);
    }

    #[inline]
    fn update(self, change: impl Fn(u64) -> u64) {
        cell(self.place()).update(self.generation, change);
    }

    #[inline]
    fn place(self) -> u32 {
        self.number.get() - 1
    }
}

/// Reads the table: the requests in flight now, in no order.
///
/// Each row is whole, but they are read one after the other: a request that came or ended meanwhile may be missing.
#[must_use]
pub fn snapshot() -> Vec<InFlightRequest> {
    /// A seat that is being written at so many looks in a row is changing hands; its request is not old.
    const TRIES: usize = 100;
    let used = free_list::used();
    let now = FastInstant::now();
    (0..used)
        .filter_map(|place| {
            let reading = cell(place).read(TRIES)?;
            Some(InFlightRequest {
                id: String::from_utf8_lossy(&reading.id).into_owned(),
                method: reading.method,
                route: Label::from_number(reading.state >> ROUTE_SHIFT).name(),
                age: FastInstant::from_raw(reading.started).until(now),
                phase: match reading.state & PHASE {
                    0 => Phase::App,
                    1 => Phase::Calling,
                    _ => Phase::Body,
                },
                host: Label::from_number(reading.state >> HOST_SHIFT).name(),
            })
        })
        .collect()
}
