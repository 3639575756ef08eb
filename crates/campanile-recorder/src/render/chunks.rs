//! A snapshot's text, piece by piece.

use super::{Format, clashes::Clashes, text};
use crate::{Family, Snapshot};

/// Text is handed out when it has become as long as this.
const LENGTH: usize = 64 * 1024;

/// The text of a snapshot in pieces of about 64 KiB, so that no scrape needs it whole in memory.
///
/// What makes a piece is processor time, about a millisecond for a thousand histograms: off the async workers with it,
/// to a thread of its own or `spawn_blocking`.
#[derive(Debug)]
pub struct Chunks {
    families: std::vec::IntoIter<Family>,
    /// The family that is being written, and its next series.
    current: Option<(Family, usize)>,
    clashes: Clashes,
    bounds: text::BoundTexts,
    format: Format,
    ended: bool,
}

impl Snapshot {
    /// Renders in pieces.
    pub fn chunks(self, format: Format) -> Chunks {
        Chunks {
            clashes: Clashes::of(&self.families, format),
            families: self.families.into_iter(),
            current: None,
            bounds: text::BoundTexts::default(),
            format,
            ended: false,
        }
    }

    /// Renders.
    pub fn render(self, format: Format) -> String {
        let mut text = String::new();
        let mut chunks = self.chunks(format);
        while chunks.write(&mut text, usize::MAX) {}
        text
    }
}

impl Chunks {
    /// Writes until `text` is as long as `length`; tells whether there is more.
    fn write(&mut self, text: &mut String, length: usize) -> bool {
        while text.len() < length {
            if let Some((family, next)) = &mut self.current
                && let Some(series) = family.series.get(*next)
            {
                *next += 1;
                let spelling = text::Spelling::new(family, self.format, &self.clashes);
                text::series(series, &spelling, self.format, &mut self.bounds, text);
                continue;
            }
            self.current = self.families.next().map(|family| (family, 0));
            match &self.current {
                Some((family, _)) => {
                    let spelling = text::Spelling::new(family, self.format, &self.clashes);
                    text::head(family, &spelling, self.format, text);
                }
                None => {
                    if !std::mem::replace(&mut self.ended, true) && self.format == Format::OpenMetrics {
                        text.push_str("# EOF\n");
                    }
                    return false;
                }
            }
        }
        true
    }
}

impl Iterator for Chunks {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut text = String::with_capacity(LENGTH + LENGTH / 8);
        self.write(&mut text, LENGTH);
        (!text.is_empty()).then_some(text)
    }
}
