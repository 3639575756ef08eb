//! Names of routes and hosts as small numbers, for the cells of the table.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

/// A name that stays for the life of the process. Made when a series is, so it is bounded as series are.
///
/// Beyond a million names there is only the default label, which has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Label(u32);

/// Numbers have twenty bits in a cell.
const LIMIT: usize = 1 << 20;

#[derive(Default)]
struct Labels {
    numbers: HashMap<&'static str, u32>,
    names: Vec<&'static str>,
}

static LABELS: LazyLock<Mutex<Labels>> = LazyLock::new(Mutex::default);

impl Label {
    /// Finds the label of a name, or makes it. Locks: for when a series is made, not for each request.
    #[must_use]
    pub fn intern(name: &str) -> Self {
        let mut labels = LABELS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = labels.numbers.get(name) {
            return Self(*number);
        }
        if labels.names.len() + 1 == LIMIT {
            return Self::default();
        }
        let name: &'static str = Box::leak(name.into());
        labels.names.push(name);
        let number = u32::try_from(labels.names.len()).expect("the limit is below");
        labels.numbers.insert(name, number);
        Self(number)
    }

    /// Returns the name; nothing for the default label.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        let labels = LABELS.lock().unwrap_or_else(PoisonError::into_inner);
        let place = usize::try_from(self.0).ok()?.checked_sub(1)?;
        labels.names.get(place).copied()
    }

    pub(super) fn number(self) -> u64 {
        self.0.into()
    }

    pub(super) fn from_number(number: u64) -> Self {
        Self((number & (LIMIT as u64 - 1)) as u32)
    }
}
