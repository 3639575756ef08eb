//! One number for how full a service is, from 0 to 1.
//!
//! ```
//! use campanile_backlog::{BacklogMonitor, Saturation, SaturationGate};
//!
//! # fn in_flight() -> usize { 410 }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let saturation = Saturation::new()
//!     .with_in_flight(in_flight, || 512)
//!     .with_workers(|| 3, || 8);
//! let level = saturation.level();
//! let gate = SaturationGate::new(level.clone()).with_thresholds(0.95, 0.70);
//!
//! let mut monitor = BacklogMonitor::new().with_saturation(saturation);
//! monitor.sample(); // or `run`
//! assert_eq!(level.ratio(), 410.0 / 512.0);
//! assert!(gate.check().is_ok());
//! # Ok(()) }
//! ```

mod gate;
mod level;
mod signals;

pub use self::gate::{Saturated, SaturationGate};
pub use self::level::SaturationLevel;
pub use self::signals::Saturation;
