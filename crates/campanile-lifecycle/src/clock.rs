//! Where the walk through the phases gets its timers from: tokio, or a model that has none.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

pub(crate) trait Clock {
    type Sleep: Future<Output = ()>;

    fn now(&self) -> Instant;

    fn sleep(&self, duration: Duration) -> Self::Sleep;
}

#[derive(Debug)]
pub(crate) struct TokioClock;

impl Clock for TokioClock {
    type Sleep = Sleep;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        tokio::time::sleep(duration)
    }
}
