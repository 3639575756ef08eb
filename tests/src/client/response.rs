//! A whole response.

use std::fmt;

use http::HeaderMap;

/// A response with its whole body.
#[derive(Clone)]
pub struct TestResponse {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl TestResponse {
    /// Returns the status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the value of a header, which must not be repeated.
    ///
    /// # Panics
    ///
    /// If the header occurs more than once, or its value is not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let value = all.next()?;
        assert!(all.next().is_none(), "more than one {name}: {self:?}");
        let text = std::str::from_utf8(value.as_bytes());
        Some(text.unwrap_or_else(|_| panic!("{name} is not UTF-8: {self:?}")))
    }

    /// Returns the request ID.
    ///
    /// # Panics
    ///
    /// Without exactly one `X-Request-Id`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.header("x-request-id")
            .unwrap_or_else(|| panic!("no request ID: {self:?}"))
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
    /// If the body is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|_| panic!("the body is not UTF-8: {self:?}"))
    }

    /// Returns the body as JSON.
    ///
    /// # Panics
    ///
    /// If the body is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is not JSON, {error}: {self:?}"))
    }
}

impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", value.as_bytes().escape_ascii())?;
        }
        write!(f, "\n{}", self.body.escape_ascii())
    }
}
