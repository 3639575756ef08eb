//! What a scrape is answered, as the caller tells it.

use std::error::Error;
use std::fmt;

use bytes::Bytes;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Prometheus' text format 0.0.4.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A whole text is compressed and handed on in pieces of this length, so that nothing else waits for long.
const PIECE: usize = 64 * 1024;

/// The text of all metrics.
pub struct Exposition {
    pub(crate) content_type: &'static str,
    pub(crate) pieces: Box<dyn Iterator<Item = Bytes> + Send>,
}

impl Exposition {
    /// Creates it from a whole text.
    #[must_use]
    pub fn text(content_type: &'static str, text: impl Into<String>) -> Self {
        let mut rest = Bytes::from(text.into());
        let pieces =
            std::iter::from_fn(move || (!rest.is_empty()).then(|| rest.split_to(rest.len().min(PIECE))));
        Self {
            content_type,
            pieces: Box::new(pieces),
        }
    }

    /// Creates it from pieces of text, so that it need not be in memory whole. They are asked for in a thread that may block.
    #[must_use]
    pub fn chunks<I>(content_type: &'static str, chunks: I) -> Self
    where
        I: IntoIterator<Item = String>,
        I::IntoIter: Send + 'static,
    {
        Self {
            content_type,
            pieces: Box::new(chunks.into_iter().map(Bytes::from)),
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

/// What the closure behind `/metrics` may yield.
///
/// A text is [`Exposition::text`] in Prometheus' format 0.0.4; `None` says that this recorder has no text, which is answered
/// 404; an error says that it would tell less than there is, which is answered 503.
pub trait IntoExposition {
    /// Converts it.
    ///
    /// # Errors
    ///
    /// Fails if the text cannot be had now.
    fn into_exposition(self) -> Result<Option<Exposition>, BoxError>;
}

impl IntoExposition for Exposition {
    fn into_exposition(self) -> Result<Option<Exposition>, BoxError> {
        Ok(Some(self))
    }
}

impl IntoExposition for String {
    fn into_exposition(self) -> Result<Option<Exposition>, BoxError> {
        Ok(Some(Exposition::text(TEXT, self)))
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
