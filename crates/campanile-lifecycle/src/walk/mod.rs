//! The way through the phases: [`turn`] is what happens at every wake-up, [`stages`] what follows what.

mod stages;
mod supervisor;
mod turn;

#[cfg(all(test, campanile_loom))]
mod loom_tests;

pub(crate) use self::supervisor::Supervisor;
pub(crate) use self::turn::Walk;
