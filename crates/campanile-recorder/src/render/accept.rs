//! Which format a scraper wants, by its `Accept` header.

use super::Format;

impl Format {
    /// Chooses the format by the value of an `Accept` header: [`Self::OpenMetrics`] where it is wanted no less than plain
    /// text, else [`Self::Prometheus`], which everything reads.
    ///
    /// Only a range that names OpenMetrics asks for it (`*/*` does not), in version 1.0.0 or in any. Weights are those of
    /// [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1).
    ///
    /// ```
    /// use campanile_recorder::Format;
    ///
    /// let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    /// assert_eq!(Format::of_accept(prometheus), Format::OpenMetrics);
    /// assert_eq!(Format::of_accept("*/*"), Format::Prometheus);
    /// ```
    #[must_use]
    pub fn of_accept(accept: &str) -> Self {
        let weight_of = |wanted: &str| {
            let ranges = accept.split(',').filter_map(Range::read);
            let weights = ranges.filter(|range| range.is(wanted)).map(|range| range.weight);
            weights.fold(0.0, f32::max)
        };
        let open_metrics = weight_of("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= weight_of("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }
}

/// One of the ranges of the header.
struct Range<'a> {
    media: &'a str,
    version: Option<&'a str>,
    weight: f32,
}

impl<'a> Range<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            media: parts.next()?,
            version: None,
            weight: 1.0,
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name {
                "version" => range.version = Some(value.trim_matches('"')),
                "q" | "Q" => range.weight = weight(value),
                _ => {}
            }
        }
        Some(range)
    }

    fn is(&self, media: &str) -> bool {
        // Those of plain text differ by name only.
        let version = media == "text/plain" || self.version.is_none_or(|version| version == "1.0.0");
        self.media.eq_ignore_ascii_case(media) && version
    }
}

/// Reads a weight, from zero to one. What cannot be read is not wanted.
fn weight(text: &str) -> f32 {
    text.parse()
        .ok()
        .filter(|weight| (0.0..=1.0).contains(weight))
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_wanted_more_is_chosen() {
        for (accept, format) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("application/*", Format::Prometheus),
            ("application/openmetrics-text", Format::OpenMetrics),
            (
                "Application/OpenMetrics-Text; version=\"1.0.0\" , */*;q=0.1",
                Format::OpenMetrics,
            ),
            ("application/openmetrics-text;version=0.0.1", Format::Prometheus),
            ("application/openmetrics-text;q=0", Format::Prometheus),
            ("application/openmetrics-text;q=a-lot", Format::Prometheus),
            ("text/plain;q=7,application/openmetrics-text", Format::OpenMetrics),
            (
                "text/plain;q=inf,application/openmetrics-text",
                Format::OpenMetrics,
            ),
            (
                "text/plain,application/openmetrics-text;q=0.9",
                Format::Prometheus,
            ),
            (
                "text/plain;q=0.5,application/openmetrics-text;q=0.9",
                Format::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.5,\
                 text/plain;version=0.0.4;q=0.25,*/*;q=0.1",
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(Format::of_accept(accept), format, "{accept}");
        }
    }
}
