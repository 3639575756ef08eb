//! A whole answer.

use std::fmt;

/// An answer with all its body.
#[derive(Clone)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns a header's value if it came exactly once.
    ///
    /// # Panics
    ///
    /// If it came more than once, or is no UTF-8.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut all = self
            .fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let (_, value) = all.next()?;
        assert!(all.next().is_none(), "{name} came twice: {self:?}");
        Some(std::str::from_utf8(value).unwrap_or_else(|_| panic!("{name} is no UTF-8: {self:?}")))
    }

    /// Returns the id of the request: there must be one.
    ///
    /// # Panics
    ///
    /// Where there is none, or several.
    #[must_use]
    pub fn id(&self) -> &str {
        self.field("x-request-id")
            .unwrap_or_else(|| panic!("there is no id: {self:?}"))
    }

    /// Returns the body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the body as text.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|_| panic!("the body is no text: {self:?}"))
    }

    /// Returns the body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is no JSON, {error}: {self:?}"))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.fields {
            writeln!(f, "{name}: {}", value.escape_ascii())?;
        }
        write!(f, "\n{}", self.body.escape_ascii())
    }
}
