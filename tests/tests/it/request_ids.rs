//! What becomes of the ids that clients send: never an error, and one id in every answer.

use campanile_tests::{
    process::Process,
    wire::{Answer, Ask, Frame, Protocol, reaction_to},
};

use crate::conformance::boot;

/// Asks with these ids and returns the answer, in which the app saw the same id as the client.
fn echo(service: &Process, protocol: Protocol, ids: &[&[u8]]) -> Answer {
    let ask = ids
        .iter()
        .fold(Ask::get("/echo"), |ask, id| ask.field("X-Request-Id", id));
    let answer = ask.ask(protocol, service.address());
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.json()["request_id"], answer.id());
    answer
}

fn is_new(id: &str) -> bool {
    let version = id.as_bytes().get(14) == Some(&b'4');
    let groups: Vec<_> = id.split('-').map(str::len).collect();
    version && groups == [8, 4, 4, 4, 12]
}

/// The value of the counter of rejected ids.
fn rejected(service: &Process) -> u64 {
    let text = Ask::get("/metrics").of(service.admin()).text().to_owned();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("http_server_request_ids_rejected_total "));
    line.map_or(0, |value| value.parse().expect("a whole number"))
}

#[test]
fn ids_of_1_to_256_visible_bytes_are_taken_as_they_are() {
    let service = boot(&[]);
    let all: Vec<u8> = (0x21..=0x7e).filter(|byte| !b",;\"".contains(byte)).collect();
    for protocol in Protocol::ALL {
        for id in [&b"a"[..], b"!", b"~", &[b'x'; 256], &all] {
            let answer = echo(&service, protocol, &[id]);
            assert_eq!(answer.id().as_bytes(), id, "{protocol:?}");
        }
    }
    assert_eq!(rejected(&service), 0);
}

#[test]
fn what_cannot_be_an_id_is_replaced_and_counted() {
    let service = boot(&[]);
    let mut count = 0;
    for protocol in Protocol::ALL {
        for id in [
            &b""[..],
            &[b'x'; 257],
            &[b'x'; 10_000],
            b"a,b",
            b"a;b",
            b"a\"b",
            b"\"a\"",
            b"a b",
            b"a\tb",
            "caf\u{e9}".as_bytes(),
            b"\xff\xfe",
            b"\x80",
        ] {
            let answer = echo(&service, protocol, &[id]);
            assert!(
                is_new(answer.id()),
                "{protocol:?} {}: {answer:?}",
                id.escape_ascii()
            );
            count += 1;
            assert_eq!(rejected(&service), count, "{protocol:?} {}", id.escape_ascii());
        }
    }
}

#[test]
fn without_an_id_there_is_a_new_one_each_time_and_nothing_is_rejected() {
    let service = boot(&[]);
    let mut seen = std::collections::HashSet::new();
    for protocol in Protocol::ALL {
        for _ in 0..20 {
            let answer = echo(&service, protocol, &[]);
            assert!(is_new(answer.id()), "{answer:?}");
            assert!(seen.insert(answer.id().to_owned()), "{} came twice", answer.id());
        }
    }
    assert_eq!(rejected(&service), 0);
}

#[test]
fn blanks_around_an_id_are_not_part_of_it() {
    let service = boot(&[]);
    for id in [&b" abc"[..], b"abc ", b"  \t abc \t ", b"\tabc"] {
        for protocol in Protocol::ALL {
            assert_eq!(
                echo(&service, protocol, &[id]).id(),
                "abc",
                "{protocol:?} {}",
                id.escape_ascii()
            );
        }
    }
    assert_eq!(rejected(&service), 0);
    for protocol in Protocol::ALL {
        assert!(is_new(echo(&service, protocol, &[b"  \t "]).id()));
    }
    assert_eq!(rejected(&service), 2);
}

#[test]
fn the_first_of_several_ids_counts() {
    let service = boot(&[]);
    for protocol in Protocol::ALL {
        assert_eq!(echo(&service, protocol, &[b"one", b"two", b"three"]).id(), "one");
        assert_eq!(echo(&service, protocol, &[b"one", b"not one"]).id(), "one");
    }
    assert_eq!(rejected(&service), 0);
    for protocol in Protocol::ALL {
        assert!(is_new(echo(&service, protocol, &[b"not one", b"two"]).id()));
    }
    assert_eq!(rejected(&service), 2);
}

#[test]
fn a_header_is_the_same_in_any_case_and_not_with_underscores() {
    let service = boot(&[]);
    for name in ["x-request-id", "X-REQUEST-ID", "X-Request-ID"] {
        for protocol in Protocol::ALL {
            let answer = Ask::get("/fast")
                .field(name, "abc")
                .ask(protocol, service.address());
            assert_eq!(answer.id(), "abc", "{name} over {protocol:?}");
        }
    }
    let answer = Ask::get("/fast")
        .field("X_Request_Id", "abc")
        .of(service.address());
    assert!(is_new(answer.id()));
}

#[test]
fn whatever_id_the_app_sets_the_answer_has_the_requests_own_once() {
    let service = boot(&[]);
    for protocol in Protocol::ALL {
        for query in ["?exact", "?lower", "?exact&lower", ""] {
            let ask = Ask::get(format!("/echo{query}"));
            let answer = ask
                .clone()
                .field("x-request-id", "mine")
                .ask(protocol, service.address());
            // `id` insists on one header.
            assert_eq!(answer.id(), "mine", "{query} over {protocol:?}");
            assert!(is_new(ask.ask(protocol, service.address()).id()));
        }
    }
}

#[test]
fn control_bytes_in_a_header_are_refused_by_the_protocol_itself() {
    let service = boot(&[]);
    for byte in [0x00, 0x01, 0x0b, 0x1b, 0x1f, 0x7f] {
        let id = [b'a', byte, b'b'];
        // HTTP/1: hyper cannot tell what else is wrong with such a head, answers 400 and closes.
        let answer = Ask::get("/echo").field("X-Request-Id", id).of(service.address());
        assert_eq!((answer.status(), answer.body()), (400, &b""[..]), "{byte:#04x}");
        assert_eq!(answer.field("x-request-id"), None, "{byte:#04x}");
        // HTTP/2: h2 takes it for an error of the connection (PROTOCOL_ERROR).
        let reaction = reaction_to(service.address(), "/echo", "x-request-id", &id);
        assert_eq!(reaction, Frame::GoAway(1), "{byte:#04x}");
    }
    assert_eq!(
        reaction_to(service.address(), "/echo", "x-request-id", b"ab"),
        Frame::Headers
    );
    // Nothing of that reached the service.
    assert_eq!(rejected(&service), 0);
}

#[test]
fn a_head_that_is_too_large_is_refused_by_the_protocol_itself() {
    let service = boot(&[]);
    for (protocol, fits, too_large) in [
        (Protocol::Http1, 300_000, 2_000_000),
        (Protocol::Http2, 15_000, 20_000),
    ] {
        let ask = |length| Ask::get("/fast").field("X-Request-Id", vec![b'x'; length]);
        let answer = ask(fits).ask(protocol, service.address());
        assert_eq!(answer.status(), 200, "{protocol:?}");
        assert!(is_new(answer.id()));
        let answer = ask(too_large).ask(protocol, service.address());
        assert_eq!(answer.status(), 431, "{protocol:?}");
        assert_eq!(answer.field("x-request-id"), None, "{protocol:?}");
    }
    assert_eq!(rejected(&service), 2);
}

#[test]
fn answers_that_are_not_the_apps_have_the_id_too() {
    let service = boot(&["--max-concurrency", "1"]);
    for protocol in Protocol::ALL {
        for (path, status) in [
            ("/nowhere", 404),
            ("/boom", 500),
            ("/sleep/x", 400),
            ("/status/204", 204),
        ] {
            let answer = Ask::get(path)
                .field("x-request-id", "mine")
                .ask(protocol, service.address());
            assert_eq!(
                (answer.status(), answer.id()),
                (status, "mine"),
                "{path} over {protocol:?}"
            );
        }
        let late = Ask::get("/fast")
            .field("x-request-id", "mine")
            .field("x-request-deadline", "2001-02-03T04:05:06Z");
        let answer = late.ask(protocol, service.address());
        assert_eq!((answer.status(), answer.id()), (504, "mine"));
        let head = Ask::new("HEAD", "/fast")
            .field("x-request-id", "mine")
            .ask(protocol, service.address());
        assert_eq!((head.status(), head.id()), (200, "mine"));
    }
}
