//! Names of routes and hosts as small numbers, for the rows of the table.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

/// A name that is kept for the life of the process. Created with a series, so as bounded as the series are.
///
/// After a million names, new ones become the default, which has no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InternedName(u32);

/// A row has twenty bits for a name.
const LIMIT: usize = 1 << 20;

#[derive(Default)]
struct Names {
    numbers: HashMap<&'static str, u32>,
    texts: Vec<&'static str>,
}

static NAMES: LazyLock<Mutex<Names>> = LazyLock::new(Mutex::default);

impl InternedName {
    /// Interns a name. Takes a lock: for when a series is created, not for each request.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = names.numbers.get(name) {
            return Self(*number);
        }
        if names.texts.len() + 1 == LIMIT {
            return Self::default();
        }
        let name: &'static str = Box::leak(name.into());
        names.texts.push(name);
        let number = u32::try_from(names.texts.len()).expect("the limit is lower");
        names.numbers.insert(name, number);
        Self(number)
    }

    /// Returns the text; `None` for the default.
    #[must_use]
    pub fn as_str(self) -> Option<&'static str> {
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(self.0).ok()?.checked_sub(1)?;
        names.texts.get(index).copied()
    }

    pub(super) fn number(self) -> u64 {
        self.0.into()
    }

    pub(super) fn from_number(number: u64) -> Self {
        Self((number & (LIMIT as u64 - 1)) as u32)
    }
}
