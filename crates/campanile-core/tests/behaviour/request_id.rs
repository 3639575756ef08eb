//! Parsing, composing and generating request ids.

use std::{collections::HashSet, error::Error as _};

use campanile_core::{InvalidRequestId, RequestId};
use http::HeaderValue;

fn header(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes).expect("valid in a header")
}

fn parse(bytes: &[u8]) -> Result<RequestId, InvalidRequestId> {
    RequestId::from_header(&header(bytes))
}

#[test]
fn lengths_from_1_to_256_are_valid() {
    for len in [1, 2, 239, 240, 255, 256] {
        let text = "x".repeat(len);
        assert_eq!(parse(text.as_bytes()).unwrap().as_str(), text);
        assert_eq!(text.parse::<RequestId>().unwrap().as_str(), text);
    }
    for len in [0, 257, 10_000] {
        let text = "x".repeat(len);
        let error = parse(text.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("invalid request id: {len} bytes, expected 1 to 256")
        );
        assert!(error.source().is_none());
        assert_eq!(text.parse::<RequestId>(), Err(error));
    }
}

#[test]
fn surrounding_whitespace_is_ignored() {
    for text in [" order-7", "order-7 ", "\torder-7\t", "  order-7 \t "] {
        assert_eq!(parse(text.as_bytes()).unwrap().as_str(), "order-7");
        assert_eq!(text.parse::<RequestId>().unwrap(), parse(b"order-7").unwrap());
    }
    for blank in [" ", "\t", "   "] {
        assert!(parse(blank.as_bytes()).is_err());
    }
    let longest = format!("  {}  ", "x".repeat(256));
    assert_eq!(parse(longest.as_bytes()).unwrap().as_str().len(), 256);
}

#[test]
fn visible_ascii_except_separators_is_valid() {
    for byte in 0..=u8::MAX {
        let Ok(value) = HeaderValue::from_bytes(&[b'a', byte, b'b']) else {
            continue;
        };
        let allowed = (0x21..=0x7e).contains(&byte) && !b",;\"".contains(&byte);
        assert_eq!(
            RequestId::from_header(&value).is_ok(),
            allowed,
            "byte {byte:#04x}"
        );
    }
    let is_invalid = |text: &str| text.parse::<RequestId>().is_err();
    assert!(
        is_invalid("a\nb")
            && is_invalid("a\0b")
            && is_invalid("a\x7fb")
            && is_invalid("a b")
            && is_invalid("grün")
    );
    assert_eq!(
        parse(b"a;b").unwrap_err().to_string(),
        "invalid request id: byte 0x3b is not allowed"
    );
}

#[test]
fn an_id_is_displayed_and_compared_as_its_text() {
    let id: RequestId = "order-7".parse().unwrap();
    assert_eq!(id.to_string(), "order-7");
    assert_eq!(format!("{id:?}"), "RequestId(order-7)");
    assert_eq!(id.as_header(), "order-7");
    assert_eq!(HashSet::from([id.clone(), id]).len(), 1);
}

#[test]
fn a_composed_id_has_sixteen_hex_digits_a_dash_and_the_incoming_id() {
    let old: RequestId = "order-7".parse().unwrap();
    let new = old.compose();
    let (fresh, rest) = new.as_str().split_at(16);
    assert!(
        fresh
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
        "{fresh}"
    );
    assert_eq!(rest, "-order-7");
    assert_ne!(old.compose(), new);
}

#[test]
fn ids_up_to_239_bytes_stay_complete_over_thirty_hops() {
    for len in [1, 7, 36, 238, 239] {
        let first: String = ('a'..='z').cycle().take(len).collect();
        let mut id: RequestId = first.parse().unwrap();
        for hop in 1..=30 {
            id = id.compose();
            assert!(
                id.as_str().ends_with(&format!("-{first}")),
                "{len} bytes, hop {hop}"
            );
            assert_eq!(id.as_str().len(), (len + 17 * hop).min(256).max(len + 17));
            assert!(parse(id.as_str().as_bytes()).is_ok());
        }
    }
}

#[test]
fn longer_ids_lose_their_front_and_keep_their_end() {
    for len in 240..=256 {
        let first: String = ('a'..='z').cycle().take(len).collect();
        let mut id: RequestId = first.parse().unwrap();
        for _ in 0..30 {
            id = id.compose();
            assert_eq!(id.as_str().len(), 256);
            assert_eq!(id.as_str()[17..], first[len - 239..], "{len} bytes");
        }
    }
}

#[test]
fn a_generated_id_is_a_version_4_uuid() {
    for _ in 0..1_000 {
        let id = RequestId::generate();
        let text = id.as_str();
        assert_eq!(text.len(), 36);
        for (index, byte) in text.bytes().enumerate() {
            match index {
                8 | 13 | 18 | 23 => assert_eq!(byte, b'-', "{text}"),
                14 => assert_eq!(byte, b'4', "{text}"),
                19 => assert!(b"89ab".contains(&byte), "{text}"),
                _ => assert!(matches!(byte, b'0'..=b'9' | b'a'..=b'f'), "{text}"),
            }
        }
    }
}

#[test]
fn each_random_bit_of_a_generated_id_varies() {
    let number = || {
        let hex = RequestId::generate().as_str().replace('-', "");
        u128::from_str_radix(&hex, 16).expect("hex digits")
    };
    let (mut any, mut all) = (0, u128::MAX);
    for _ in 0..1_000 {
        let id = number();
        (any, all) = (any | id, all & id);
    }
    let version_and_variant = 0xf000_c000_0000_0000_0000_u128;
    assert_eq!(all, 0x4000_8000_0000_0000_0000);
    assert_eq!(any, !version_and_variant | all);
}

#[test]
fn ids_generated_on_four_threads_are_unique() {
    let threads: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(|| (0..25_000).map(|_| RequestId::generate()).collect::<Vec<_>>()))
        .collect();
    let all: HashSet<RequestId> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(all.len(), 100_000);
}
