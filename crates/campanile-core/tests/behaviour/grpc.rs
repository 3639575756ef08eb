//! Status codes, timeouts and content types of gRPC.

use std::time::Duration;

use campanile_core::grpc::{Code, format_timeout, is_grpc, method_name, parse_timeout};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};

fn status(value: &'static str) -> Option<Code> {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", HeaderValue::from_static(value));
    Code::from_headers(&headers)
}

fn timeout(value: &'static str) -> Option<Duration> {
    parse_timeout(&HeaderValue::from_static(value))
}

#[test]
fn codes_are_ordered_by_number() {
    for (number, code) in Code::ALL.into_iter().enumerate() {
        assert_eq!(code as usize, number);
        assert_eq!(code.to_header(), number.to_string().as_str());
        assert_eq!(code.to_string(), code.as_str());
        let mut headers = HeaderMap::new();
        headers.insert("grpc-status", code.to_header());
        assert_eq!(Code::from_headers(&headers), Some(code));
    }
    assert_eq!(Code::DeadlineExceeded.as_str(), "DEADLINE_EXCEEDED");
    assert_eq!(Code::Ok.as_str(), "OK");
}

#[test]
fn an_invalid_status_is_unknown_and_a_missing_one_is_none() {
    assert_eq!(Code::from_headers(&HeaderMap::new()), None);
    for value in ["17", "-1", "+5", "", "OK", "99999999999999999999999", "1.0"] {
        assert_eq!(status(value), Some(Code::Unknown), "{value:?}");
    }
}

#[test]
fn grpc_web_and_other_types_are_not_grpc() {
    let is = |value: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
        is_grpc(&headers)
    };
    for value in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc+json",
        "application/grpc;x=1",
    ] {
        assert!(is(value), "{value}");
    }
    for value in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpcx",
        "application/json",
        "",
    ] {
        assert!(!is(value), "{value}");
    }
    assert!(!is_grpc(&HeaderMap::new()));
}

#[test]
fn a_timeout_is_parsed_in_each_unit() {
    for (value, time) in [
        ("1H", Duration::from_secs(3600)),
        ("2M", Duration::from_secs(120)),
        ("3S", Duration::from_secs(3)),
        ("4m", Duration::from_millis(4)),
        ("5u", Duration::from_micros(5)),
        ("6n", Duration::from_nanos(6)),
        ("0S", Duration::ZERO),
        ("00000007S", Duration::from_secs(7)),
        ("99999999H", Duration::from_secs(99_999_999 * 3600)),
    ] {
        assert_eq!(timeout(value), Some(time), "{value}");
    }
    for value in [
        "",
        "S",
        "5",
        "5s",
        "5h",
        "123456789S",
        "-1S",
        "+1S",
        "1.5S",
        " 1S",
        "1S ",
        "1 S",
        "1SS",
    ] {
        assert_eq!(timeout(value), None, "{value:?}");
    }
}

#[test]
fn a_timeout_is_formatted_in_the_finest_unit_that_fits() {
    for (time, value) in [
        (Duration::ZERO, "0n"),
        (Duration::from_nanos(99_999_999), "99999999n"),
        (Duration::from_nanos(100_000_000), "100000u"),
        (Duration::from_micros(100_000_000), "100000m"),
        (Duration::from_millis(100_000_000), "100000S"),
        (Duration::from_secs(100_000_000), "1666666M"),
        (Duration::from_secs(100_000_000 * 60), "1666666H"),
        (Duration::MAX, "99999999H"),
    ] {
        let written = format_timeout(time);
        assert_eq!(written, value);
        // Rounded down.
        assert!(parse_timeout(&written).unwrap() <= time);
    }
}

#[test]
fn a_method_name_is_bounded_in_form_and_length() {
    let longest = format!("/pkg.S/{}", "m".repeat(122));
    assert_eq!(method_name("/pkg.v1.Stock_2/Get_1"), Some("pkg.v1.Stock_2/Get_1"));
    assert_eq!(method_name("/S/m"), Some("S/m"));
    assert_eq!(method_name(&longest), Some(&longest[1..]));
    let too_long = format!("{longest}m");
    for path in [
        "", "/", "//", "S/m", "/S", "/S/", "//m", "/S/m/", "/S/m/n", "/S//m", "/S/m.n", "/S-/m", "/S/m-",
        "/S/%6d", "/S/m n", "/Ś/m", "*", &too_long,
    ] {
        assert_eq!(method_name(path), None, "{path}");
    }
}
