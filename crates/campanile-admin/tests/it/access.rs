//! Access control.

use std::net::IpAddr;

use campanile_admin::{Admin, Peer};
use http::Request;

use crate::support::{local_request, request_from, send};

const PRIVATE: [(&str, &str); 5] = [
    ("GET", "/"),
    ("GET", "/requests"),
    ("GET", "/log-level"),
    ("POST", "/drain"),
    ("GET", "/_status/info/config"),
];
const PUBLIC: [&str; 7] = [
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

fn remote_ip() -> IpAddr {
    [192, 0, 2, 1].into()
}

#[tokio::test]
async fn remote_clients_can_access_metrics_and_probes_only() {
    let admin = admin();
    for (method, target) in PRIVATE {
        let response = send(&admin, request_from(remote_ip(), method, target)).await;
        assert_eq!(response.status(), 403, "{target}");
        assert!(
            send(&admin, local_request(method, target))
                .await
                .status()
                .is_success(),
            "{target}"
        );
    }
    for target in PUBLIC {
        assert_eq!(
            send(&admin, request_from(remote_ip(), "GET", target))
                .await
                .status(),
            200,
            "{target}"
        );
    }
}

#[tokio::test]
async fn private_metrics_need_a_local_client_or_the_token() {
    let admin = admin().with_private_metrics(true).with_token("secret");
    for target in ["/metrics", "/_status/metrics"] {
        // Scrapers may use any Host.
        let of = |peer| Request::get(target).header("host", "app.example").extension(peer);
        assert_eq!(send(&admin, of(Peer::from(remote_ip()))).await.status(), 401);
        assert_eq!(send(&admin, of(Peer::Unix)).await.status(), 200);
        let with_token = of(Peer::from(remote_ip())).header("authorization", "Bearer secret");
        assert_eq!(send(&admin, with_token).await.status(), 200);
    }
}

#[tokio::test]
async fn all_loopback_addresses_are_local() {
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
            send(&admin(), request_from(ip, "GET", "/requests"))
                .await
                .status(),
            status,
            "{ip}"
        );
    }
}

#[tokio::test]
async fn allowed_networks_have_access() {
    let admin = admin()
        .with_allowed_network("192.0.2.0/25".parse::<campanile_admin::IpNet>().unwrap())
        .with_allowed_network(IpAddr::from([198, 51, 100, 7]))
        .with_allowed_network("2001:db8::/64".parse::<campanile_admin::IpNet>().unwrap());
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
            send(&admin, request_from(ip, "GET", "/requests")).await.status(),
            status,
            "{ip}"
        );
    }
}

#[tokio::test]
async fn forwarding_headers_are_ignored() {
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
    ] {
        let request = request_from(remote_ip(), "GET", "/requests").header(name, value);
        assert_eq!(send(&admin(), request).await.status(), 403, "{name}");
        // Local clients keep their access.
        let request = local_request("GET", "/requests").header(name, "192.0.2.1");
        assert_eq!(send(&admin(), request).await.status(), 200, "{name}");
    }
}

#[tokio::test]
async fn unknown_peers_need_the_token() {
    let request = || Request::get("/requests").header("host", "localhost");
    assert_eq!(send(&admin(), request()).await.status(), 403);
    let admin = admin().with_token("secret");
    assert_eq!(send(&admin, request()).await.status(), 401);
    let request = request().header("authorization", "Bearer secret");
    assert_eq!(send(&admin, request).await.status(), 200);
}

#[tokio::test]
async fn token_grants_access() {
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
        let request = request_from(remote_ip(), "GET", "/requests").header("authorization", sent);
        let response = send(&admin, request).await;
        assert_eq!(response.status(), status, "{sent:?}");
        if status == 401 {
            assert_eq!(response.header("www-authenticate"), "Bearer");
        }
    }
    // Local clients need none.
    let request = local_request("GET", "/requests").header("authorization", "Bearer wrong");
    assert_eq!(send(&admin, request).await.status(), 200);
}

#[tokio::test]
async fn empty_token_grants_no_access() {
    let admin = admin().with_token("");
    for sent in ["Bearer ", "Bearer", ""] {
        let request = request_from(remote_ip(), "GET", "/requests").header("authorization", sent);
        assert_eq!(send(&admin, request).await.status(), 403, "{sent:?}");
    }
}

#[tokio::test]
async fn unknown_hosts_are_rejected() {
    let admin = admin().with_allowed_host("Admin.Internal");
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
        let response = send(&admin, local.header("host", host)).await;
        assert_eq!(response.status(), status, "{host:?}");
    }
}

#[tokio::test]
async fn dns_rebinding_is_rejected_on_private_endpoints_only() {
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
        let response = send(&admin, rebound(method, target)).await;
        assert_eq!(response.status(), 403, "{target}");
        if method != "HEAD" {
            assert!(response.text().contains("Host"), "{}", response.text());
        }
    }
    for target in PUBLIC {
        assert_eq!(
            send(&admin, rebound("GET", target)).await.status(),
            200,
            "{target}"
        );
    }
    // DNS cannot resolve to a unix socket.
    let request = Request::get("/requests").header("host", "evil.example");
    assert_eq!(send(&admin, request.extension(Peer::Unix)).await.status(), 200);
}

#[tokio::test]
async fn host_must_be_unambiguous() {
    let local = |target| Request::get(target).extension(Peer::from(IpAddr::from([127, 0, 0, 1])));
    let twice = local("/requests")
        .header("host", "localhost")
        .header("host", "evil.example");
    assert_eq!(send(&admin(), twice).await.status(), 403);
    assert_eq!(send(&admin(), local("/requests")).await.status(), 403);
    // Programs behind each other may look at either.
    let absolute = local("http://evil.example/requests").header("host", "localhost");
    assert_eq!(send(&admin(), absolute).await.status(), 403);
    let absolute = local("http://localhost:6060/requests").header("host", "evil.example");
    assert_eq!(send(&admin(), absolute).await.status(), 403);
    let absolute = local("http://localhost:6060/requests").header("host", "localhost:6060");
    assert_eq!(send(&admin(), absolute).await.status(), 200);
    for target in [
        "http://localhost@evil.example/requests",
        "http://evil.example@localhost/requests",
    ] {
        assert_eq!(send(&admin(), local(target)).await.status(), 403, "{target}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_cannot_load_private_endpoints() {
    let admin = admin();
    for (site, mode, dest, status) in [
        ("cross-site", "no-cors", "script", 403),
        ("cross-site", "cors", "empty", 403),
        ("cross-site", "navigate", "iframe", 403),
        ("cross-site", "navigate", "object", 403),
        ("cross-site", "websocket", "document", 403),
        // Another port of this machine is the same site.
        ("same-site", "no-cors", "image", 403),
        // A link that the user follows.
        ("cross-site", "navigate", "document", 200),
        ("same-site", "navigate", "document", 200),
        ("same-origin", "cors", "empty", 200),
        ("none", "navigate", "document", 200),
    ] {
        let headers = |target| {
            local_request("GET", target)
                .header("sec-fetch-site", site)
                .header("sec-fetch-mode", mode)
                .header("sec-fetch-dest", dest)
        };
        for target in ["/", "/requests", "/log-level", "/_status/info/config"] {
            let response = send(&admin, headers(target)).await;
            assert_eq!(response.status(), status, "{target} {site} {mode} {dest}");
            assert_eq!(response.header("cross-origin-opener-policy"), "same-origin");
        }
        for target in PUBLIC {
            assert_eq!(send(&admin, headers(target)).await.status(), 200, "{target}");
        }
    }
    let foreign = local_request("GET", "/requests").header("origin", "http://evil.example");
    assert_eq!(send(&admin, foreign).await.status(), 403);
}

#[tokio::test]
async fn other_spellings_of_a_path_are_not_found() {
    let admin = admin();
    for target in [
        "/%72equests",
        "/requests/",
        "//requests",
        "/./requests",
        "/metrics/../requests",
        "/Requests",
    ] {
        for request in [
            local_request("GET", target),
            request_from(remote_ip(), "GET", target),
        ] {
            assert_eq!(send(&admin, request).await.status(), 404, "{target}");
        }
    }
}

#[tokio::test]
async fn cross_site_requests_with_side_effects_are_rejected() {
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
        let response = send(&admin(), local_request("POST", "/drain").header(name, value)).await;
        assert_eq!(response.status(), status, "{name}: {value}");
        let response = send(&admin(), local_request("PUT", "/log-level").header(name, value)).await;
        assert_eq!(response.status() == 403, status == 403, "{name}: {value}");
    }
    let twice = local_request("POST", "/drain")
        .header("origin", "http://localhost:6060")
        .header("origin", "http://evil.example");
    assert_eq!(send(&admin(), twice).await.status(), 403);
}

#[tokio::test]
async fn default_port_is_the_same_origin() {
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
        let response = send(&admin(), request.extension(local)).await;
        assert_eq!(response.status(), status, "{host} {origin}");
    }
}
