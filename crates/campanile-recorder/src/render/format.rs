//! The text formats, and their selection by an `Accept` header.

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Prometheus' text format 0.0.4, which every scraper supports.
    Prometheus,
    /// OpenMetrics 1.0, which adds units and exemplars. Samples of counters end in `_total` there, so `hits` is rendered
    /// as `hits_total` unless another family has that name.
    OpenMetrics,
}

impl Format {
    /// Returns the value of the `Content-Type` header.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Selects the format by the value of an `Accept` header: [`Self::OpenMetrics`] if its weight is at least that of
    /// plain text, otherwise [`Self::Prometheus`].
    ///
    /// OpenMetrics must be named explicitly, without a version or in version 1.0.0; `*/*` is not enough. Weights are those
    /// of [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1).
    ///
    /// ```
    /// use campanile_recorder::Format;
    ///
    /// let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    /// assert_eq!(Format::from_accept(prometheus), Format::OpenMetrics);
    /// assert_eq!(Format::from_accept("*/*"), Format::Prometheus);
    /// ```
    #[must_use]
    pub fn from_accept(accept: &str) -> Self {
        let weight_of = |media_type: &str| {
            let ranges = accept.split(',').filter_map(MediaRange::parse);
            let weights = ranges
                .filter(|range| range.matches(media_type))
                .map(|range| range.weight);
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

/// A media range of an `Accept` header.
struct MediaRange<'a> {
    media_type: &'a str,
    version: Option<&'a str>,
    weight: f32,
}

impl<'a> MediaRange<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            media_type: parts.next()?,
            version: None,
            weight: 1.0,
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name {
                "version" => range.version = Some(value.trim_matches('"')),
                "q" | "Q" => range.weight = parse_weight(value),
                _ => {}
            }
        }
        Some(range)
    }

    fn matches(&self, media_type: &str) -> bool {
        // All versions of plain text are the same format.
        let version = media_type == "text/plain" || self.version.is_none_or(|version| version == "1.0.0");
        self.media_type.eq_ignore_ascii_case(media_type) && version
    }
}

/// Parses a weight from 0 to 1; an invalid one is 0.
fn parse_weight(text: &str) -> f32 {
    text.parse()
        .ok()
        .filter(|weight| (0.0..=1.0).contains(weight))
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_with_the_higher_weight_is_selected() {
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
            assert_eq!(Format::from_accept(accept), format, "{accept}");
        }
    }
}
