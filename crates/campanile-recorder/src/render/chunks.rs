//! Renders a snapshot chunk by chunk.

use super::{Format, name_conflicts::NameConflicts, text};
use crate::{Family, Snapshot};

/// The length at which a chunk is complete.
const LENGTH: usize = 64 * 1024;

/// An iterator over the text of a snapshot in chunks of about 64 KiB, so that it is never whole in memory.
///
/// Rendering is CPU-bound, about a millisecond per thousand histograms: run it on a blocking thread.
#[derive(Debug)]
pub struct Chunks {
    families: std::vec::IntoIter<Family>,
    /// The family being rendered, and the index of its next series.
    current: Option<(Family, usize)>,
    conflicts: NameConflicts,
    bounds: text::BoundTexts,
    format: Format,
    ended: bool,
}

impl Chunks {
    pub(crate) fn new(snapshot: Snapshot, format: Format) -> Self {
        Self {
            conflicts: NameConflicts::new(&snapshot.families, format),
            families: snapshot.families.into_iter(),
            current: None,
            bounds: text::BoundTexts::default(),
            format,
            ended: false,
        }
    }

    /// Renders everything into one text.
    pub(crate) fn into_text(mut self) -> String {
        let mut text = String::new();
        while self.write(&mut text, usize::MAX) {}
        text
    }

    /// Writes until `text` has `length` bytes; returns whether there is more.
    fn write(&mut self, text: &mut String, length: usize) -> bool {
        while text.len() < length {
            if let Some((family, next)) = &mut self.current
                && let Some(series) = family.series.get(*next)
            {
                *next += 1;
                let name = text::ExposedName::new(family, self.format, &self.conflicts);
                text::series(series, &name, self.format, &mut self.bounds, text);
                continue;
            }
            self.current = self.families.next().map(|family| (family, 0));
            match &self.current {
                Some((family, _)) => {
                    let name = text::ExposedName::new(family, self.format, &self.conflicts);
                    text::head(family, &name, self.format, text);
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
