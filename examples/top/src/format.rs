//! Formatting of values, the same as on the live page.

/// Formats a count or rate.
#[must_use]
pub fn count(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value >= 10_000.0 => format!("{:.0}k", value / 1000.0),
        Some(value) if value >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.1}"),
    }
}

/// Formats a duration in seconds.
#[must_use]
pub fn duration(seconds: Option<f64>) -> String {
    match seconds {
        None => "–".to_owned(),
        Some(s) if s < 0.000_95 => format!("{:.0} µs", s * 1e6),
        Some(s) if s < 0.0995 => format!("{:.1} ms", s * 1e3),
        Some(s) if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        Some(s) if s < 60.0 => format!("{s:.1} s"),
        Some(s) => format!("{:.0} min {:.0} s", (s / 60.0).floor(), (s % 60.0).floor()),
    }
}

/// Formats a value and its limit, if known.
#[must_use]
pub fn with_limit(value: Option<f64>, limit: Option<f64>) -> String {
    match limit.filter(|limit| *limit > 0.0) {
        Some(limit) => format!("{} of {}", count(value), count(Some(limit))),
        None => count(value),
    }
}

/// Truncates the start of a text: the IDs of related requests have the same end.
#[must_use]
pub fn truncate_start(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let end: String = text.chars().skip(length - kept).collect();
    if width == 0 { end } else { format!("…{end}") }
}

/// Truncates the end of a text.
#[must_use]
pub fn truncate_end(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut front: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        front.push('…');
    }
    front
}
