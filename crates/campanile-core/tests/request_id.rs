//! The id of a request, as strangers send it and as it is passed on.

use std::{collections::HashSet, error::Error as _};

use campanile_core::{InvalidRequestId, RequestId};
use http::HeaderValue;

fn header(bytes: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(bytes).expect("a header may have these bytes")
}

fn read(bytes: &[u8]) -> Result<RequestId, InvalidRequestId> {
    RequestId::from_header(&header(bytes))
}

#[test]
fn lengths_from_1_to_256_are_taken_and_no_others() {
    for len in [1, 2, 239, 240, 255, 256] {
        let text = "x".repeat(len);
        assert_eq!(read(text.as_bytes()).unwrap().as_str(), text);
        assert_eq!(text.parse::<RequestId>().unwrap().as_str(), text);
    }
    for len in [0, 257, 10_000] {
        let text = "x".repeat(len);
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("a request id has 1 to 256 bytes, not {len}")
        );
        assert!(error.source().is_none());
        assert_eq!(text.parse::<RequestId>(), Err(error));
    }
}

#[test]
fn blanks_around_are_not_part_of_the_value() {
    for text in [" order-7", "order-7 ", "\torder-7\t", "  order-7 \t "] {
        assert_eq!(read(text.as_bytes()).unwrap().as_str(), "order-7");
        assert_eq!(text.parse::<RequestId>().unwrap(), read(b"order-7").unwrap());
    }
    for blank in [" ", "\t", "   "] {
        assert!(read(blank.as_bytes()).is_err());
    }
    let longest = format!("  {}  ", "x".repeat(256));
    assert_eq!(read(longest.as_bytes()).unwrap().as_str().len(), 256);
}

#[test]
fn every_byte_is_taken_or_refused_as_the_contract_says() {
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
    let refused = |text: &str| text.parse::<RequestId>().is_err();
    assert!(refused("a\nb") && refused("a\0b") && refused("a\x7fb") && refused("a b") && refused("grün"));
    assert_eq!(
        read(b"a;b").unwrap_err().to_string(),
        "a request id cannot have the byte 0x3b"
    );
}

#[test]
fn a_valid_id_is_shown_and_compared_as_its_text() {
    let id: RequestId = "order-7".parse().unwrap();
    assert_eq!(id.to_string(), "order-7");
    assert_eq!(format!("{id:?}"), "RequestId(order-7)");
    assert_eq!(id.as_header(), "order-7");
    assert_eq!(HashSet::from([id.clone(), id]).len(), 1);
}

#[test]
fn a_composed_id_is_sixteen_hex_digits_a_dash_and_the_old_id() {
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
fn first_ids_up_to_239_bytes_are_found_whole_over_thirty_hops() {
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
            assert!(read(id.as_str().as_bytes()).is_ok());
        }
    }
}

#[test]
fn longer_first_ids_lose_their_front_and_keep_their_end() {
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
fn a_generated_id_is_a_uuid_of_version_4() {
    for _ in 0..1_000 {
        let id = RequestId::generate();
        let text = id.as_str();
        assert_eq!(text.len(), 36);
        for (place, byte) in text.bytes().enumerate() {
            match place {
                8 | 13 | 18 | 23 => assert_eq!(byte, b'-', "{text}"),
                14 => assert_eq!(byte, b'4', "{text}"),
                19 => assert!(b"89ab".contains(&byte), "{text}"),
                _ => assert!(matches!(byte, b'0'..=b'9' | b'a'..=b'f'), "{text}"),
            }
        }
    }
}

#[test]
fn every_free_bit_of_a_generated_id_is_sometimes_set_and_sometimes_not() {
    let number = || {
        let hex = RequestId::generate().as_str().replace('-', "");
        u128::from_str_radix(&hex, 16).expect("hex digits")
    };
    let (mut ever, mut always) = (0, u128::MAX);
    for _ in 0..1_000 {
        let id = number();
        (ever, always) = (ever | id, always & id);
    }
    let version_and_variant = 0xf000_c000_0000_0000_0000_u128;
    assert_eq!(always, 0x4000_8000_0000_0000_0000);
    assert_eq!(ever, !version_and_variant | always);
}

#[test]
fn a_hundred_thousand_generated_on_four_threads_differ() {
    let threads: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(|| (0..25_000).map(|_| RequestId::generate()).collect::<Vec<_>>()))
        .collect();
    let all: HashSet<RequestId> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(all.len(), 100_000);
}
