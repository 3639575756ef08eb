//! Entries of the table: what is recorded of each request, and how it is read.

use std::{num::NonZeroU32, time::Duration};

use super::{
    free_list::{self, row},
    interned_name::InternedName,
};
use crate::{RequestId, clock::FastInstant};

/// The phase of a request in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestPhase {
    /// In the application.
    App,
    /// Waits for an outgoing call.
    Calling,
    /// The response body is being sent.
    Body,
}

impl RequestPhase {
    /// Returns the phase as reported by the admin endpoints.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Calling => "calling",
            Self::Body => "body",
        }
    }
}

/// A request in flight, as read from the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InFlightRequest {
    /// The id of the request.
    pub id: String,
    /// The [number](crate::method::number) of the method.
    pub method: u8,
    /// The route, once it is known.
    pub route: Option<&'static str>,
    /// The time since the request began.
    pub age: Duration,
    /// The phase.
    pub phase: RequestPhase,
    /// The host that the request calls, in [`RequestPhase::Calling`].
    pub host: Option<&'static str>,
}

/// An entry of the table, held as long as the request is in flight.
#[derive(Debug)]
pub struct InFlightEntry(InFlightEntryRef);

/// A reference to an entry, to record what its request does. Has no effect after the request has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlightEntryRef {
    /// The index of the row plus one, so that an `Option` takes no more space.
    number: NonZeroU32,
    generation: u32,
}

impl InFlightEntry {
    /// Takes a row for a request. `None` if all are taken, or held free by other threads.
    #[inline]
    pub fn take(id: &RequestId, method: u8, started: FastInstant) -> Option<Self> {
        let index = free_list::take()?;
        let generation = row(index).occupy(id.as_header().as_bytes(), method, started.raw());
        let number = NonZeroU32::MIN.saturating_add(index);
        Some(Self(InFlightEntryRef { number, generation }))
    }

    /// Records that the response body is being sent.
    ///
    /// Cheaper than [`InFlightEntryRef::set_body`], since the owner cannot change the row of a later request. A
    /// concurrent change through a reference may be lost.
    #[inline]
    pub fn set_body(&self) {
        row(self.0.index()).change(in_body);
    }

    /// Returns a reference to the entry.
    #[inline]
    #[must_use]
    pub fn reference(&self) -> InFlightEntryRef {
        self.0
    }
}

impl Drop for InFlightEntry {
    #[inline]
    fn drop(&mut self) {
        let index = self.0.index();
        row(index).vacate();
        free_list::put(index);
    }
}

const PHASE: u64 = 0b11;
const ROUTE_SHIFT: u32 = 4;
const HOST_SHIFT: u32 = 24;
const NAME: u64 = (1 << 20) - 1;

/// Returns the state with the phase set to [`RequestPhase::Body`].
#[inline]
fn in_body(state: u64) -> u64 {
    (state & !(PHASE | NAME << HOST_SHIFT)) | 2
}

impl InFlightEntryRef {
    /// Records the route.
    #[inline]
    pub fn set_route(self, route: InternedName) {
        self.update(|state| (state & !(NAME << ROUTE_SHIFT)) | route.number() << ROUTE_SHIFT);
    }

    /// Records that the request is in the application.
    #[inline]
    pub fn set_app(self) {
        self.update(|state| state & !(PHASE | NAME << HOST_SHIFT));
    }

    /// Records that the request waits for a call to `host`.
    #[inline]
    pub fn set_calling(self, host: InternedName) {
        self.update(|state| (state & !(PHASE | NAME << HOST_SHIFT)) | host.number() << HOST_SHIFT | 1);
    }

    /// Records that the response body is being sent.
    #[inline]
    pub fn set_body(self) {
        self.update(in_body);
    }

    #[inline]
    fn update(self, change: impl Fn(u64) -> u64) {
        row(self.index()).update(self.generation, change);
    }

    #[inline]
    fn index(self) -> u32 {
        self.number.get() - 1
    }
}

/// Returns the requests in flight, in no particular order.
///
/// Each row is consistent, but rows are read one after the other: a request that begins or ends during the call may be
/// missing.
#[must_use]
pub fn snapshot() -> Vec<InFlightRequest> {
    /// A row that is written during so many attempts passes to another request, which is not old.
    const ATTEMPTS: usize = 100;
    let used = free_list::used();
    let now = FastInstant::now();
    (0..used)
        .filter_map(|index| {
            let reading = row(index).read(ATTEMPTS)?;
            Some(InFlightRequest {
                id: String::from_utf8_lossy(&reading.id).into_owned(),
                method: reading.method,
                route: InternedName::from_number(reading.state >> ROUTE_SHIFT).as_str(),
                age: FastInstant::from_raw(reading.started).until(now),
                phase: match reading.state & PHASE {
                    0 => RequestPhase::App,
                    1 => RequestPhase::Calling,
                    _ => RequestPhase::Body,
                },
                host: InternedName::from_number(reading.state >> HOST_SHIFT).as_str(),
            })
        })
        .collect()
}
