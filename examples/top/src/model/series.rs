//! The values of a sparkline.

/// The time scale of sparklines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TimeScale {
    /// One second per cell, as far back as fits.
    #[default]
    Seconds,
    /// The full history. A cell is the maximum of its seconds.
    Full,
}

impl TimeScale {
    /// Returns the other time scale.
    #[must_use]
    pub const fn toggled(self) -> Self {
        match self {
            Self::Seconds => Self::Full,
            Self::Full => Self::Seconds,
        }
    }

    fn seconds_per_cell(self, history_seconds: usize, cells: usize) -> usize {
        match self {
            Self::Seconds => 1,
            Self::Full => history_seconds.div_ceil(cells.max(1)).max(1),
        }
    }
}

/// A value per second, the newest last.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    values: Vec<Option<f64>>,
    received: usize,
    history_seconds: usize,
}

impl Series {
    /// Creates a series of the last of `received` values.
    #[must_use]
    pub fn new(values: Vec<Option<f64>>, received: usize, history_seconds: usize) -> Self {
        Self {
            values,
            received,
            history_seconds,
        }
    }

    /// Returns the maximum, or zero without values.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.values.iter().flatten().copied().fold(0.0, f64::max)
    }

    /// Returns one value per cell of a sparkline, the newest last. `None` is unknown.
    #[must_use]
    pub fn cells(&self, scale: TimeScale, count: usize) -> Vec<Option<f64>> {
        let mut cells: Vec<Option<f64>> = vec![None; count];
        let seconds = scale.seconds_per_cell(self.history_seconds, count);
        // Cells start at multiples of their length, so that a value stays in its cell as new ones arrive.
        let cell_of = |age: usize| (self.received.saturating_sub(1 + age)) / seconds;
        for (age, value) in self.values.iter().rev().enumerate() {
            let Some(index) = count.checked_sub(1 + cell_of(0) - cell_of(age)) else {
                break;
            };
            cells[index] = match (cells[index], *value) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
        }
        cells
    }
}
