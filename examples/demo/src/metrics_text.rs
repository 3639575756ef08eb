//! A minimal parser of the Prometheus text format.

/// A series and its value.
pub(crate) struct Sample<'a> {
    labels: &'a str,
    pub(crate) value: f64,
}

impl<'a> Sample<'a> {
    /// Returns the value of a label, or an empty string without it.
    pub(crate) fn label(&self, name: &str) -> &'a str {
        let mut labels = self.labels.split("\",");
        labels
            .find_map(|label| label.strip_prefix(name)?.strip_prefix("=\""))
            .unwrap_or_default()
            .trim_end_matches('"')
    }
}

/// Returns all series of a metric.
pub(crate) fn samples<'a>(text: &'a str, name: &str) -> impl Iterator<Item = Sample<'a>> {
    text.lines().filter_map(move |line| {
        let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?;
        Some(Sample {
            labels,
            value: value.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_full_name() {
        let text = "# TYPE a counter\na{b=\"x, y\",service=\"edge\"} 3\na_total{service=\"edge\"} 4\na 5\n";
        let found: Vec<_> = samples(text, "a").collect();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].label("b"), found[0].label("service")), ("x, y", "edge"));
        assert_eq!((found[0].label("c"), found[0].value), ("", 3.0));
    }
}
