//! Numbers as the formats spell them.

use std::fmt::Write;

use super::Format;

/// Writes a value: `NaN`, `+Inf`, `-Inf`, or the shortest decimal that reads back as the same number.
pub(super) fn float(value: f64, text: &mut String) {
    if value.is_nan() {
        text.push_str("NaN");
    } else if value.is_infinite() {
        text.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        text.push_str(itoa::Buffer::new().format(value as i64));
    } else {
        // Cannot fail: it writes to memory.
        let _ = write!(text, "{value}");
    }
}

pub(super) fn integer(value: u64, text: &mut String) {
    text.push_str(itoa::Buffer::new().format(value));
}

/// Writes a bucket bound. In OpenMetrics it must look like a float.
pub(super) fn bound(value: f64, format: Format, text: &mut String) {
    let from = text.len();
    float(value, text);
    if format == Format::OpenMetrics
        && text[from..]
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
    {
        text.push_str(".0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_as_the_formats_require() {
        let spell = |value| {
            let mut text = String::new();
            float(value, &mut text);
            text
        };
        assert_eq!(
            [0.0, -0.0, 1.0, -3.0, 0.1, 1e15, 123_456_789_012_345_680.0, 2.5e-7].map(spell),
            [
                "0",
                "0",
                "1",
                "-3",
                "0.1",
                "1000000000000000",
                "123456789012345680",
                "0.00000025"
            ]
        );
        assert_eq!(
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(spell),
            ["NaN", "+Inf", "-Inf"]
        );
        let mut text = String::new();
        bound(1.0, Format::OpenMetrics, &mut text);
        bound(0.5, Format::OpenMetrics, &mut text);
        bound(1.0, Format::Prometheus, &mut text);
        assert_eq!(text, "1.00.51");
    }
}
