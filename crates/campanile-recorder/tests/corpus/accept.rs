//! The format selected for arbitrary `Accept` headers.

use campanile_recorder::Format;

const OPEN_METRICS: &str = "application/openmetrics-text";

/// Checks bytes as a header value.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(accept) = std::str::from_utf8(bytes) else {
        return;
    };
    let named = accept.to_ascii_lowercase().contains(OPEN_METRICS);
    if Format::from_accept(accept) == Format::OpenMetrics {
        assert!(named, "{accept:?} does not name OpenMetrics");
    }
    // No weight exceeds that of a media type without one.
    let accepted = format!("{accept},{OPEN_METRICS}");
    assert_eq!(
        Format::from_accept(&accepted),
        Format::OpenMetrics,
        "{accepted:?}"
    );
    if !named {
        let rejected = format!("{accept},{OPEN_METRICS};q=0");
        assert_eq!(Format::from_accept(&rejected), Format::Prometheus, "{rejected:?}");
    }
}
