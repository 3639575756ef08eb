//! Valid DSNs, and the errors of invalid ones.

use campanile_recorder::statsd::{Dsn, Statsd};

#[test]
fn a_dsn_has_address_prefix_and_size() {
    for (text, target, prefix, size) in [
        ("udp://statsd.local", "udp://statsd.local:8125", "", 1432),
        ("udp://127.0.0.1:9125/", "udp://127.0.0.1:9125", "", 1432),
        ("udp://h/pre/fix?maxudpsize=512", "udp://h:8125", "pre.fix", 512),
        ("udp://h//pre.fix//x/?", "udp://h:8125", "pre.fix.x", 1432),
        ("udp://[::1]:1/a", "udp://[::1]:1", "a", 1432),
        ("udp6://[fe80::1]", "udp6://[fe80::1]:8125", "", 1432),
        (
            "udp6://localhost:1?maxudpsize=65507",
            "udp6://localhost:1",
            "",
            65_507,
        ),
        ("unix:///run/statsd.sock", "unix:///run/statsd.sock", "", 8192),
        (
            "unixgram:///run/s?maxudpsize=600&prefix=a/b",
            "unix:///run/s",
            "a.b",
            600,
        ),
    ] {
        let dsn: Dsn = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (dsn.to_string().as_str(), dsn.prefix(), dsn.max_size()),
            (target, prefix, size),
            "{text}"
        );
    }
    let flags = Dsn::udp("h:9", "shop.web").unwrap();
    assert_eq!(flags, "udp://h:9/shop/web".parse().unwrap());
    assert_eq!(
        Dsn::unix("/run/s", "a").unwrap(),
        "unix:///run/s?prefix=a".parse().unwrap()
    );
    let small = flags.clone().with_max_size(512).expect("is allowed");
    assert_eq!(small.max_size(), 512);
    let error = flags.with_max_size(511).expect_err("is too small");
    assert!(error.to_string().contains("511"), "{error}");
}

#[test]
fn an_error_names_the_text_and_the_reason() {
    let long = format!("unix:///{}", "x".repeat(107));
    for (text, reason) in [
        (
            "",
            "missing scheme, expected for example `udp://HOST:PORT/PREFIX`",
        ),
        (
            "localhost:8125",
            "missing scheme, expected for example `udp://HOST:PORT/PREFIX`",
        ),
        (
            "tcp://h",
            "unknown scheme `tcp`, expected udp, udp6, unix or unixgram",
        ),
        ("udp://", "missing host"),
        ("udp://:8125/p", "missing host"),
        ("udp://h:", "invalid port ``, expected 1 to 65535"),
        ("udp://h:0", "invalid port `0`, expected 1 to 65535"),
        ("udp://h:65536", "invalid port `65536`, expected 1 to 65535"),
        ("udp://::1", "missing host"),
        ("udp://fe80::1", "invalid port `:1`, expected 1 to 65535"),
        ("udp://[::1", "missing `]` after the IPv6 address"),
        ("udp://[x]", "invalid IPv6 address `x`"),
        ("udp://[::1]8125", "unexpected `8125` after the host"),
        ("udp://user@h", "invalid character '@' in host `user@h`"),
        ("udp://h/a|b", "invalid character '|' in prefix `a|b`"),
        ("udp://h/\u{e4}", "invalid character '\u{e4}' in prefix `\u{e4}`"),
        ("udp://h/a#b", "invalid character '#' in prefix `a#b`"),
        (
            "udp://h?maxudpsize=511",
            "invalid maxudpsize `511`, expected 512 to 65507",
        ),
        (
            "udp://h?maxudpsize=65508",
            "invalid maxudpsize `65508`, expected 512 to 65507",
        ),
        (
            "udp://h?maxudpsize",
            "invalid maxudpsize ``, expected 512 to 65507",
        ),
        (
            "udp://h?mtu=512",
            "unknown option `mtu`, expected maxudpsize or prefix",
        ),
        (
            "udp://h?prefix=a",
            "the prefix belongs in the path, as in `udp://HOST:PORT/PREFIX`",
        ),
        (
            "unix://run/s",
            "the path of a unix socket must be absolute, as in `unix:///run/statsd.sock`",
        ),
        (&long, "the path has 108 bytes, a unix socket allows 107"),
    ] {
        let error = text.parse::<Dsn>().expect_err(text);
        assert_eq!(
            error.to_string(),
            format!("invalid statsd DSN `{text}`: {reason}")
        );
    }
    assert_eq!(
        Dsn::udp("h:x", "p").unwrap_err().to_string(),
        "invalid statsd DSN `h:x`: invalid port `x`, expected 1 to 65535"
    );
}

#[test]
fn a_host_without_an_address_is_an_error_when_the_socket_is_opened() {
    let error = Statsd::new("udp6://127.0.0.1".parse().unwrap())
        .recorder()
        .expect_err("not an IPv6 address");
    assert_eq!(
        error.to_string(),
        "cannot send statsd lines to udp6://127.0.0.1:8125"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_period_of_zero_is_an_error_when_the_socket_is_opened() {
    let statsd = || Statsd::new("udp://127.0.0.1".parse().unwrap()).with_period(std::time::Duration::ZERO);
    assert!(statsd().recorder().is_err());
    assert!(statsd().flusher(Default::default).is_err());
}
