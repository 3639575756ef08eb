//! Who is let in.

use std::net::IpAddr;

use campanile_admin::{Admin, Peer};
use http::Request;

use crate::support::{ask, from, send};

const PRIVATE: [(&str, &str); 6] = [
    ("GET", "/"),
    ("HEAD", "/live"),
    ("GET", "/requests"),
    ("GET", "/log-level"),
    ("POST", "/drain"),
    ("GET", "/_status/info/config"),
];
const OPEN: [&str; 7] = [
    "/metrics",
    "/_status/metrics",
    "/livez",
    "/readyz",
    "/health",
    "/_status/ping",
    "/_status/check",
];

fn admin() -> Admin {
    Admin::new()
        .with_metrics(|_: &str| "up 1\n".to_owned())
        .with_requests(Vec::new)
        .with_drain(|| ())
        .with_log_level(|| "info".to_owned(), |_| Ok(()))
        .with_config(String::new)
}

fn stranger() -> IpAddr {
    [192, 0, 2, 1].into()
}

#[tokio::test]
async fn strangers_see_metrics_and_probes_only() {
    let admin = admin();
    for (method, target) in PRIVATE {
        let answer = send(&admin, from(stranger(), method, target)).await;
        assert_eq!(answer.status(), 403, "{target}");
        assert!(
            send(&admin, ask(method, target)).await.status().is_success(),
            "{target}"
        );
    }
    for target in OPEN {
        assert_eq!(
            send(&admin, from(stranger(), "GET", target)).await.status(),
            200,
            "{target}"
        );
    }
}

#[tokio::test]
async fn private_metrics_are_for_who_is_near() {
    let admin = admin().with_private_metrics(true).with_token("secret");
    for target in ["/metrics", "/_status/metrics"] {
        // A scraper comes by any name.
        let of = |peer| Request::get(target).header("host", "app.example").extension(peer);
        assert_eq!(send(&admin, of(Peer::from(stranger()))).await.status(), 401);
        assert_eq!(send(&admin, of(Peer::Unix)).await.status(), 200);
        let with_token = of(Peer::from(stranger())).header("authorization", "Bearer secret");
        assert_eq!(send(&admin, with_token).await.status(), 200);
    }
}

#[tokio::test]
async fn this_machine_has_many_addresses() {
    for (ip, status) in [
        ("127.0.0.1", 200),
        ("127.8.9.10", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("192.0.2.1", 403),
        ("::ffff:192.0.2.1", 403),
        ("fe80::1", 403),
        ("0.0.0.0", 403),
    ] {
        let ip: IpAddr = ip.parse().unwrap();
        assert_eq!(
            send(&admin(), from(ip, "GET", "/requests")).await.status(),
            status,
            "{ip}"
        );
    }
}

#[tokio::test]
async fn networks_are_let_in() {
    let admin = admin()
        .with_network("192.0.2.0/25".parse::<campanile_admin::IpNet>().unwrap())
        .with_network(IpAddr::from([198, 51, 100, 7]))
        .with_network("2001:db8::/64".parse::<campanile_admin::IpNet>().unwrap());
    for (ip, status) in [
        ("192.0.2.1", 200),
        ("::ffff:192.0.2.1", 200),
        ("192.0.2.128", 403),
        ("198.51.100.7", 200),
        ("198.51.100.8", 403),
        ("2001:db8::9", 200),
        ("2001:db8:1::9", 403),
    ] {
        let ip: IpAddr = ip.parse().unwrap();
        assert_eq!(
            send(&admin, from(ip, "GET", "/requests")).await.status(),
            status,
            "{ip}"
        );
    }
}

#[tokio::test]
async fn what_a_client_says_of_itself_lets_nobody_in() {
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
    ] {
        let request = from(stranger(), "GET", "/requests").header(name, value);
        assert_eq!(send(&admin(), request).await.status(), 403, "{name}");
        // And keeps nobody out.
        let request = ask("GET", "/requests").header(name, "192.0.2.1");
        assert_eq!(send(&admin(), request).await.status(), 200, "{name}");
    }
}

#[tokio::test]
async fn who_is_not_known_takes_the_token() {
    let request = || Request::get("/requests").header("host", "localhost");
    assert_eq!(send(&admin(), request()).await.status(), 403);
    let admin = admin().with_token("secret");
    assert_eq!(send(&admin, request()).await.status(), 401);
    let request = request().header("authorization", "Bearer secret");
    assert_eq!(send(&admin, request).await.status(), 200);
}

#[tokio::test]
async fn the_token_lets_in() {
    let admin = admin().with_token("secret");
    for (sent, status) in [
        ("Bearer secret", 200),
        ("bearer secret", 200),
        ("BEARER  secret ", 200),
        ("Bearer Secret", 401),
        ("Bearer secre", 401),
        ("Bearer secrets", 401),
        ("Bearer ", 401),
        ("Bearer", 401),
        ("", 401),
        ("secret", 401),
        ("Basic c2VjcmV0", 401),
        ("Basic secret", 401),
    ] {
        let request = from(stranger(), "GET", "/requests").header("authorization", sent);
        let answer = send(&admin, request).await;
        assert_eq!(answer.status(), status, "{sent:?}");
        if status == 401 {
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    // It is asked of nobody who is near.
    let request = ask("GET", "/requests").header("authorization", "Bearer wrong");
    assert_eq!(send(&admin, request).await.status(), 200);
}

#[tokio::test]
async fn an_empty_token_is_none() {
    let admin = admin().with_token("");
    for sent in ["Bearer ", "Bearer", ""] {
        let request = from(stranger(), "GET", "/requests").header("authorization", sent);
        assert_eq!(send(&admin, request).await.status(), 403, "{sent:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_refused() {
    let admin = admin().with_host("Admin.Internal");
    for (host, status) in [
        ("localhost", 200),
        ("LocalHost:6060", 200),
        ("localhost.", 200),
        ("127.0.0.1", 200),
        ("127.0.0.1:6060", 200),
        ("10.1.2.3:6060", 200),
        ("[::1]:6060", 200),
        ("[2001:db8::1]", 200),
        ("admin.internal:6060", 200),
        ("evil.example", 403),
        ("evil.example:6060", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("evil.example@localhost", 403),
        ("localhost@evil.example", 403),
        ("2130706433", 403),
        ("0x7f.1", 403),
        ("[::1", 403),
        ("::1", 403),
        ("", 403),
        ("a b", 403),
    ] {
        let local = Request::get("/requests").extension(Peer::from(IpAddr::from([127, 0, 0, 1])));
        let answer = send(&admin, local.header("host", host)).await;
        assert_eq!(answer.status(), status, "{host:?}");
    }
}

#[tokio::test]
async fn rebinding_is_refused_where_it_would_do_harm_and_nowhere_else() {
    let admin = admin().with_token("secret");
    let rebound = |method, target| {
        Request::builder()
            .method(method)
            .uri(target)
            .header("host", "evil.example")
            .header("authorization", "Bearer secret")
            .extension(Peer::from(IpAddr::from([127, 0, 0, 1])))
    };
    for (method, target) in PRIVATE {
        let answer = send(&admin, rebound(method, target)).await;
        assert_eq!(answer.status(), 403, "{target}");
        if method != "HEAD" {
            assert!(answer.text().contains("Host"), "{}", answer.text());
        }
    }
    for target in OPEN {
        assert_eq!(
            send(&admin, rebound("GET", target)).await.status(),
            200,
            "{target}"
        );
    }
    // Nobody's name resolves to a file.
    let request = Request::get("/requests").header("host", "evil.example");
    assert_eq!(send(&admin, request.extension(Peer::Unix)).await.status(), 200);
}

#[tokio::test]
async fn there_is_one_host() {
    let local = |target| Request::get(target).extension(Peer::from(IpAddr::from([127, 0, 0, 1])));
    let twice = local("/requests")
        .header("host", "localhost")
        .header("host", "evil.example");
    assert_eq!(send(&admin(), twice).await.status(), 403);
    assert_eq!(send(&admin(), local("/requests")).await.status(), 403);
    // What the target says counts.
    let absolute = local("http://evil.example/requests").header("host", "localhost");
    assert_eq!(send(&admin(), absolute).await.status(), 403);
    let absolute = local("http://localhost:6060/requests").header("host", "evil.example");
    assert_eq!(send(&admin(), absolute).await.status(), 200);
}

#[tokio::test]
async fn pages_of_others_change_nothing() {
    for (name, value, status) in [
        ("origin", "http://localhost:6060", 202),
        ("origin", "https://localhost:6060", 202),
        ("origin", "HTTP://localhost:6060", 403),
        ("origin", "http://LOCALHOST:6060", 202),
        ("origin", "http://evil.example", 403),
        ("origin", "http://localhost", 403),
        ("origin", "http://localhost:6061", 403),
        ("origin", "http://localhost:60600", 403),
        ("origin", "null", 403),
        ("origin", "", 403),
        ("sec-fetch-site", "same-origin", 202),
        ("sec-fetch-site", "none", 202),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "what", 403),
        ("user-agent", "kubelet", 202),
    ] {
        let answer = send(&admin(), ask("POST", "/drain").header(name, value)).await;
        assert_eq!(answer.status(), status, "{name}: {value}");
        let answer = send(&admin(), ask("PUT", "/log-level").header(name, value)).await;
        assert_eq!(answer.status() == 403, status == 403, "{name}: {value}");
    }
    let twice = ask("POST", "/drain")
        .header("origin", "http://localhost:6060")
        .header("origin", "http://evil.example");
    assert_eq!(send(&admin(), twice).await.status(), 403);
}

#[tokio::test]
async fn a_default_port_is_no_other_origin() {
    let local = Peer::from(IpAddr::from([127, 0, 0, 1]));
    for (host, origin, status) in [
        ("localhost", "http://localhost", 202),
        ("localhost:80", "http://localhost", 202),
        ("localhost", "https://localhost:443", 202),
        ("localhost:443", "http://localhost", 403),
    ] {
        let request = Request::post("/drain")
            .header("host", host)
            .header("origin", origin);
        let answer = send(&admin(), request.extension(local)).await;
        assert_eq!(answer.status(), status, "{host} {origin}");
    }
}
