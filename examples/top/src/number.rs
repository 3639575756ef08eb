//! Numbers as people read them, the same as on the live page.

/// Spells a count or a rate.
#[must_use]
pub fn count(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value >= 10_000.0 => format!("{:.0}k", value / 1000.0),
        Some(value) if value >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.1}"),
    }
}

/// Spells seconds.
#[must_use]
pub fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => "–".to_owned(),
        Some(s) if s < 0.000_95 => format!("{:.0} µs", s * 1e6),
        Some(s) if s < 0.0995 => format!("{:.1} ms", s * 1e3),
        Some(s) if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        Some(s) if s < 60.0 => format!("{s:.1} s"),
        Some(s) => format!("{:.0} min {:.0} s", (s / 60.0).floor(), (s % 60.0).floor()),
    }
}

/// Spells a value and what it may be at most, if that is known.
#[must_use]
pub fn of_limit(value: Option<f64>, limit: Option<f64>) -> String {
    match limit.filter(|limit| *limit > 0.0) {
        Some(limit) => format!("{} of {}", count(value), count(Some(limit))),
        None => count(value),
    }
}

/// Cuts the front of what is too long: related ids end alike, and so do the hosts of a domain differ last.
#[must_use]
pub fn end_of(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let end: String = text.chars().skip(length - kept).collect();
    if width == 0 { end } else { format!("…{end}") }
}

/// Cuts the end of what is too long.
#[must_use]
pub fn front_of(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut front: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        front.push('…');
    }
    front
}
