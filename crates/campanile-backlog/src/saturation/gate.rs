//! Readiness that follows saturation.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::SaturationLevel;

/// Says whether a service should get traffic, by how full it is: no from one threshold on, yes again below another, so
/// that it does not flap between the two. Cloning copies a pointer.
///
/// It does nothing by itself; give [`check`](Self::check) to your readiness. Where every replica is full, taking some out
/// makes the others fuller: prefer scaling on the gauge, and let this be for the odd one out.
#[derive(Clone, Debug)]
pub struct SaturationGate {
    level: SaturationLevel,
    refuse_from: f64,
    accept_below: f64,
    max_age: Duration,
    refuses: Arc<AtomicBool>,
}

/// What [`SaturationGate::check`] says of a service that is too full.
#[derive(Clone, Debug, PartialEq)]
pub struct Saturated {
    ratio: f64,
    accept_below: f64,
}

impl SaturationGate {
    /// Creates a gate that refuses from 0.95 on and accepts again below 0.8.
    #[must_use]
    pub fn new(level: SaturationLevel) -> Self {
        Self {
            level,
            refuse_from: 0.95,
            accept_below: 0.8,
            max_age: Duration::from_secs(10),
            refuses: Arc::default(),
        }
    }

    /// Sets from which saturation on it refuses, and below which it accepts again.
    ///
    /// # Panics
    ///
    /// Panics unless 0 < `accept_below` <= `refuse_from` <= 1: else it would never accept, or never refuse.
    #[must_use]
    pub fn with_thresholds(mut self, refuse_from: f64, accept_below: f64) -> Self {
        let in_order = 0.0 < accept_below && accept_below <= refuse_from && refuse_from <= 1.0;
        assert!(
            in_order,
            "thresholds must be 0 < accept_below <= refuse_from <= 1"
        );
        (self.refuse_from, self.accept_below) = (refuse_from, accept_below);
        self
    }

    /// Sets how old a value may be to refuse by it, 10 s unless set: who computes no more must not keep a service from
    /// being ready.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Says whether the service should get traffic.
    ///
    /// # Errors
    ///
    /// [`Saturated`], where it is too full, or has been and is not below the lower threshold yet.
    pub fn check(&self) -> Result<(), Saturated> {
        let ratio = self.level.ratio();
        let is_current = self.level.age().is_some_and(|age| age <= self.max_age);
        let threshold = if self.refuses.load(Ordering::Relaxed) {
            self.accept_below
        } else {
            self.refuse_from
        };
        let refuses = is_current && ratio >= threshold;
        self.refuses.store(refuses, Ordering::Relaxed);
        if refuses {
            return Err(Saturated {
                ratio,
                accept_below: self.accept_below,
            });
        }
        Ok(())
    }
}

impl Saturated {
    /// Returns how full the service was, from 0 to 1.
    #[must_use]
    pub const fn ratio(&self) -> f64 {
        self.ratio
    }
}

impl fmt::Display for Saturated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ratio, accept_below } = self;
        write!(f, "saturation is {ratio:.2}, ready again below {accept_below:.2}")
    }
}

impl Error for Saturated {}
