//! Any text as the value of `Accept`.

use campanile_recorder::Format;

const OPEN_METRICS: &str = "application/openmetrics-text";

/// Reads bytes as the value of a header.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(accept) = std::str::from_utf8(bytes) else {
        return;
    };
    let named = accept.to_ascii_lowercase().contains(OPEN_METRICS);
    if Format::from_accept(accept) == Format::OpenMetrics {
        assert!(named, "{accept:?} does not ask for OpenMetrics");
    }
    // Nothing weighs more than what is wanted without a weight.
    let wanted = format!("{accept},{OPEN_METRICS}");
    assert_eq!(Format::from_accept(&wanted), Format::OpenMetrics, "{wanted:?}");
    if !named {
        let unwanted = format!("{accept},{OPEN_METRICS};q=0");
        assert_eq!(Format::from_accept(&unwanted), Format::Prometheus, "{unwanted:?}");
    }
}
