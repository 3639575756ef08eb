//! The inner service is at work, or other code that is not ours: what unwinds meanwhile is its panic.

use campanile_core::nesting::{EnteredLayer, LayerId};

use super::{ending::end_early, exchange::Exchange};

/// Other code is at work. What it costs falls on those that panic: nothing is noted of others.
pub(super) struct Watched<'a> {
    pub(super) exchange: &'a mut Exchange,
    has_returned: bool,
}

/// The inner service is being polled.
pub(super) struct Inside<'a> {
    watched: Watched<'a>,
    /// The layer stands around what runs.
    #[allow(dead_code, reason = "held to be dropped")]
    around: EnteredLayer,
}

impl Exchange {
    /// Comes before other code runs.
    #[inline]
    pub(super) fn watch(&mut self) -> Watched<'_> {
        Watched {
            exchange: self,
            has_returned: false,
        }
    }

    /// Comes before the inner service is polled.
    #[inline]
    pub(super) fn enter(&mut self) -> Inside<'_> {
        Inside {
            around: LayerId::of(self.settings.table).enter(),
            watched: self.watch(),
        }
    }
}

impl Watched<'_> {
    /// Comes after it.
    #[inline]
    pub(super) fn returned(mut self) {
        self.has_returned = true;
    }
}

impl Drop for Watched<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.has_returned {
            self.exchange.note_panic();
        }
    }
}

impl Inside<'_> {
    /// Comes after the poll.
    #[inline]
    pub(super) fn returned(self) {
        self.watched.exchange.hear();
        self.watched.returned();
    }
}

/// The inner service is being called: there is no future yet that would end the exchange at a panic.
pub(super) struct Calling {
    exchange: Option<Box<Exchange>>,
    #[allow(dead_code, reason = "held to be dropped")]
    around: EnteredLayer,
}

impl Calling {
    /// Comes before the call.
    #[inline]
    pub(super) fn of(exchange: Box<Exchange>) -> Self {
        Self {
            around: LayerId::of(exchange.settings.table).enter(),
            exchange: Some(exchange),
        }
    }

    /// Comes after the call.
    #[inline]
    pub(super) fn returned(mut self) -> Option<Box<Exchange>> {
        // Heard where it is: a recorder that panics must not take it along.
        if let Some(exchange) = &mut self.exchange {
            exchange.hear();
        }
        self.exchange.take()
    }
}

impl Drop for Calling {
    #[inline]
    fn drop(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.note_panic();
            end_early(exchange);
        }
    }
}
