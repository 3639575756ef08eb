//! The limit of open connections of a listener.

use rustix::process::{Resource, getrlimit};

/// The part of the descriptors that is reserved, and its least number.
const RESERVED_PART: u64 = 8;
const MIN_RESERVE: u64 = 64;

/// The limit of open connections of each listener.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum ConnectionLimit {
    /// The soft limit of open files, less a reserve.
    #[default]
    Descriptors,
    Fixed(Option<usize>),
}

impl ConnectionLimit {
    /// Returns the limit now; `None` without one.
    pub(crate) fn get(self) -> Option<usize> {
        match self {
            Self::Fixed(limit) => limit,
            Self::Descriptors => of_descriptors(getrlimit(Resource::Nofile).current?),
        }
    }
}

/// Never 0, even with fewer descriptors than the reserve.
fn of_descriptors(descriptors: u64) -> Option<usize> {
    let reserve = (descriptors / RESERVED_PART)
        .max(MIN_RESERVE)
        .min(descriptors / 2);
    usize::try_from((descriptors - reserve).max(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_limit_leaves_a_reserve() {
        let limits = [0, 1, 64, 256, 1_024, 1 << 20].map(of_descriptors);
        assert_eq!(limits, [1, 1, 32, 192, 896, 917_504].map(Some));
    }
}
