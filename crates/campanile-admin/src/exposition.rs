//! The response of `/metrics`, as returned by the caller's callback.

use std::error::Error;
use std::fmt;

use bytes::Bytes;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The content type of the Prometheus text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A whole text is compressed and sent in chunks of this size, so that no step takes long.
const CHUNK_SIZE: usize = 64 * 1024;

/// The text of all metrics and its content type.
pub struct Exposition {
    pub(crate) content_type: &'static str,
    pub(crate) chunks: Box<dyn Iterator<Item = Bytes> + Send>,
}

impl Exposition {
    /// Creates an exposition from a complete text.
    #[must_use]
    pub fn from_text(content_type: &'static str, text: impl Into<String>) -> Self {
        let mut rest = Bytes::from(text.into());
        let chunks =
            std::iter::from_fn(move || (!rest.is_empty()).then(|| rest.split_to(rest.len().min(CHUNK_SIZE))));
        Self {
            content_type,
            chunks: Box::new(chunks),
        }
    }

    /// Creates an exposition from chunks of text, so that the whole text is never in memory. The iterator runs on a blocking
    /// thread.
    #[must_use]
    pub fn from_chunks<I>(content_type: &'static str, chunks: I) -> Self
    where
        I: IntoIterator<Item = String>,
        I::IntoIter: Send + 'static,
    {
        Self {
            content_type,
            chunks: Box::new(chunks.into_iter().map(Bytes::from)),
        }
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposition")
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// The return value of the callback behind `/metrics`.
///
/// A `String` is text in the Prometheus format 0.0.4. `None` means that the recorder has no text, and becomes a 404. An error
/// means that the text would be incomplete, and becomes a 503.
pub trait IntoExposition {
    /// Converts the value.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no complete text at the moment.
    fn into_exposition(self) -> Result<Option<Exposition>, BoxError>;
}

impl IntoExposition for Exposition {
    fn into_exposition(self) -> Result<Option<Exposition>, BoxError> {
        Ok(Some(self))
    }
}

impl IntoExposition for String {
    fn into_exposition(self) -> Result<Option<Exposition>, BoxError> {
        Ok(Some(Exposition::from_text(PROMETHEUS_TEXT, self)))
    }
}

impl<E: IntoExposition> IntoExposition for Option<E> {
    fn into_exposition(self) -> Result<Option<Exposition>, BoxError> {
        self.map_or(Ok(None), E::into_exposition)
    }
}

impl<X: IntoExposition, E: Into<BoxError>> IntoExposition for Result<X, E> {
    fn into_exposition(self) -> Result<Option<Exposition>, BoxError> {
        self.map_err(Into::into)?.into_exposition()
    }
}
