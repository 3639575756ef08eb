//! The course of a value, cut to as many cells as there is room for.

/// How much a sparkline shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Span {
    /// A second in each cell, as far back as there is room.
    #[default]
    Seconds,
    /// All that is kept; a cell is the most of its seconds.
    Whole,
}

impl Span {
    /// Returns the other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Seconds => Self::Whole,
            Self::Whole => Self::Seconds,
        }
    }

    /// Returns how many seconds a cell stands for, of a history of this length.
    #[must_use]
    pub fn seconds_per_cell(self, length: usize, cells: usize) -> usize {
        match self {
            Self::Seconds => 1,
            Self::Whole => length.div_ceil(cells.max(1)).max(1),
        }
    }
}

/// Values by second, the newest last.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    values: Vec<Option<f64>>,
    taken: usize,
    length: usize,
}

impl Course {
    /// Makes the course of the last of `taken` values, of which `length` are kept.
    #[must_use]
    pub fn new(values: Vec<Option<f64>>, taken: usize, length: usize) -> Self {
        Self {
            values,
            taken,
            length,
        }
    }

    /// Returns the highest value; zero if there is none.
    #[must_use]
    pub fn most(&self) -> f64 {
        self.values.iter().flatten().copied().fold(0.0, f64::max)
    }

    /// Cuts it to cells, the newest last. `None` is a cell of which nothing is known.
    #[must_use]
    pub fn cells(&self, span: Span, cells: usize) -> Vec<Option<f64>> {
        let mut cut = vec![None; cells];
        let seconds = span.seconds_per_cell(self.length, cells);
        // Cells begin at multiples, so that a value stays in its cell while others come.
        let cell = |back: usize| (self.taken.saturating_sub(1 + back)) / seconds;
        for (back, value) in self.values.iter().rev().enumerate() {
            let Some(place) = cells.checked_sub(1 + cell(0) - cell(back)) else {
                break;
            };
            cut[place] = most(cut[place], *value);
        }
        cut
    }
}

fn most(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}
