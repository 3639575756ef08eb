//! Appends numbers in the spellings of the formats, without allocating.

use std::fmt::{self, Write};

/// Appends the shortest text that parses as the same finite value.
pub(super) fn push_shortest(value: f64, line: &mut String) {
    // Outside this range `Display` writes hundreds of zeros.
    if value == 0.0 || (1e-6..1e15).contains(&value.abs()) {
        // Adding zero removes the sign of minus zero, which would decrement a gauge.
        push(line, format_args!("{}", value + 0.0));
    } else {
        push(line, format_args!("{value:e}"));
    }
}

/// Appends `value` with six decimals, like `%.6f` in C.
pub(super) fn push_fixed(value: f64, line: &mut String) {
    if value.abs() < 1e15 {
        push(line, format_args!("{:.6}", value + 0.0));
    } else {
        push_shortest(value, line);
    }
}

/// Appends `value` with six significant digits, like `%g` in C.
pub(super) fn push_general(value: f64, line: &mut String) {
    let start = line.len();
    push(line, format_args!("{:.5e}", value + 0.0));
    let text = &line[start..];
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        line.truncate(start);
        let decimals = usize::try_from(5 - exponent).unwrap_or(0);
        push(line, format_args!("{:.decimals$}", value + 0.0));
        trim_zeros(line, start);
    } else {
        let end = start + mantissa.len();
        line.truncate(end);
        trim_zeros(line, start);
        let sign = if exponent < 0 { '-' } else { '+' };
        push(line, format_args!("e{sign}{:02}", exponent.unsigned_abs()));
    }
}

pub(super) fn push_integer(value: u64, line: &mut String) {
    push(line, format_args!("{value}"));
}

fn trim_zeros(line: &mut String, start: usize) {
    if line[start..].contains('.') {
        let kept = line.trim_end_matches('0').trim_end_matches('.').len();
        line.truncate(kept);
    }
}

fn push(line: &mut String, number: fmt::Arguments<'_>) {
    line.write_fmt(number).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(push: fn(f64, &mut String), value: f64) -> String {
        let mut line = String::from("100.");
        push(value, &mut line);
        line.split_off(4)
    }

    #[test]
    fn general_is_what_c_prints() {
        // Printed by printf("%g").
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (100.0, "100"),
            (999_999.0, "999999"),
            (999_999.5, "1e+06"),
            (1_234_567.0, "1.23457e+06"),
            (0.1, "0.1"),
            (12.300_000_1, "12.3"),
            (0.000_123_456_7, "0.000123457"),
            (0.000_012_3, "1.23e-05"),
            (-5.25, "-5.25"),
            (1e100, "1e+100"),
        ] {
            assert_eq!(text(push_general, value), expected);
        }
    }

    #[test]
    fn fixed_and_shortest_stay_short() {
        assert_eq!(text(push_fixed, 12.3), "12.300000");
        assert_eq!(text(push_fixed, -0.0), "0.000000");
        assert_eq!(text(push_fixed, 1e300), "1e300");
        assert_eq!(text(push_shortest, 5.0), "5");
        assert_eq!(text(push_shortest, -0.0), "0");
        assert_eq!(text(push_shortest, 0.1), "0.1");
        assert_eq!(text(push_shortest, f64::MIN_POSITIVE), "2.2250738585072014e-308");
    }
}
