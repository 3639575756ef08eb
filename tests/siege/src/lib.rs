//! Besieges a server: hostile clients of all kinds at once, beside good ones, with shutdowns, a freeze and damaged files.
//!
//! `cargo xtask siege` runs this program in three roles: as the server ([`serve`]), as a process that records metrics and is
//! killed ([`worker`]), and as the siege that starts both ([`siege`]). Good clients ([`good`]) are those of
//! `campanile_drain` where a plain TCP port is concerned, because they retry nothing.

pub mod attacks;
pub mod files;
pub mod good;
pub mod process;
pub mod report;
pub mod serve;
pub mod siege;
pub mod targets;
pub mod worker;
