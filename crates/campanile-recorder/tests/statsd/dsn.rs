//! DSNs that can be read, and what is said of those that cannot.

use campanile_recorder::statsd::{Dsn, Statsd};

#[test]
fn what_a_dsn_says_is_read() {
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
    assert_eq!(flags.with_max_size(512).max_size(), 512);
}

#[test]
fn an_error_names_the_text_and_what_is_wrong_with_it() {
    let long = format!("unix:///{}", "x".repeat(107));
    for (text, reason) in [
        ("", "no scheme; a DSN looks like `udp://HOST:PORT/PREFIX`"),
        (
            "localhost:8125",
            "no scheme; a DSN looks like `udp://HOST:PORT/PREFIX`",
        ),
        (
            "tcp://h",
            "unknown scheme `tcp`; known are udp, udp6, unix and unixgram",
        ),
        ("udp://", "no host"),
        ("udp://:8125/p", "no host"),
        ("udp://h:", "`` is no port, which is a number from 1 to 65535"),
        ("udp://h:0", "`0` is no port, which is a number from 1 to 65535"),
        (
            "udp://h:65536",
            "`65536` is no port, which is a number from 1 to 65535",
        ),
        ("udp://::1", "no host"),
        (
            "udp://fe80::1",
            "`:1` is no port, which is a number from 1 to 65535",
        ),
        ("udp://[::1", "no `]` behind the address of the host"),
        ("udp://[x]", "`x` is no IPv6 address"),
        ("udp://[::1]8125", "`8125` behind the host is no port"),
        ("udp://user@h", "'@' in the host `user@h`"),
        (
            "udp://h/a|b",
            "'|' in the prefix `a|b`, where it would break every line",
        ),
        (
            "udp://h/\u{e4}",
            "'\u{e4}' in the prefix `\u{e4}`, where it would break every line",
        ),
        (
            "udp://h/a#b",
            "'#' in the prefix `a#b`, where it would break every line",
        ),
        (
            "udp://h?maxudpsize=511",
            "maxudpsize `511` is no number from 512 to 65507",
        ),
        (
            "udp://h?maxudpsize=65508",
            "maxudpsize `65508` is no number from 512 to 65507",
        ),
        (
            "udp://h?maxudpsize",
            "maxudpsize `` is no number from 512 to 65507",
        ),
        (
            "udp://h?mtu=512",
            "unknown option `mtu`; known are maxudpsize and prefix",
        ),
        (
            "udp://h?prefix=a",
            "the prefix stands in the path, as in `udp://HOST:PORT/PREFIX`",
        ),
        (
            "unix://run/s",
            "the path of a unix socket begins with `/`, as in `unix:///run/statsd.sock`",
        ),
        (&long, "the path has 108 bytes, a unix socket's at most 107"),
    ] {
        let error = text.parse::<Dsn>().expect_err(text);
        assert_eq!(error.to_string(), format!("statsd DSN `{text}`: {reason}"));
    }
    assert_eq!(
        Dsn::udp("h:x", "p").unwrap_err().to_string(),
        "statsd DSN `h:x`: `x` is no port, which is a number from 1 to 65535"
    );
}

#[test]
fn a_host_without_an_address_is_said_when_the_socket_is_opened() {
    let error = Statsd::new("udp6://127.0.0.1".parse().unwrap())
        .recorder()
        .expect_err("that is no IPv6 address");
    assert_eq!(
        error.to_string(),
        "no socket to the statsd daemon at udp6://127.0.0.1:8125"
    );
    assert!(std::error::Error::source(&error).is_some());
}
