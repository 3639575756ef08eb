//! Properties of any request, checked by the fuzz target and, over its corpus, by a test.

use std::cell::RefCell;
use std::net::IpAddr;

use campanile_admin::{Admin, Body, Peer, RequestRow};
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderValue, Request, Response, Uri};
use tower_service::Service;

const TOKEN: &str = "secret";
/// The paths without access control.
const PUBLIC: [&str; 8] = [
    "/metrics",
    "/livez",
    "/readyz",
    "/health",
    "/_status/ping",
    "/_status/check",
    "/_status/metrics",
    "/_status/metrics/",
];

/// Sends a request from a remote client and from this machine. The lines of `bytes` are method, target, `Host`, `Accept`,
/// `Accept-Encoding`, `Authorization` and `Origin`.
pub(crate) fn check(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, target) = (line(), line());
    let Ok(target) = Uri::try_from(target) else {
        return;
    };
    let mut headers = Vec::new();
    for name in [HOST, ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, ORIGIN] {
        let Ok(value) = HeaderValue::from_bytes(line()) else {
            return;
        };
        headers.push((name, value));
    }
    let request = |ip: [u8; 4]| {
        let mut request = Request::builder().method(method).uri(target.clone());
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        request
            .extension(Peer::from(IpAddr::from(ip)))
            .body(String::new())
    };
    let (Ok(from_remote), Ok(from_local)) = (request([192, 0, 2, 1]), request([127, 0, 0, 1])) else {
        return;
    };
    let value = |name| {
        headers
            .iter()
            .find(|(header, _)| *header == name)
            .map(|(_, value)| value.as_bytes())
    };

    let response = respond(from_remote);
    let text = String::from_utf8_lossy(bytes);
    let is_public = PUBLIC.iter().any(|public| target.path().starts_with(public));
    let authorized = value(AUTHORIZATION).is_some_and(|sent| String::from_utf8_lossy(sent).contains(TOKEN));
    if response.status().is_success() {
        assert!(is_public || authorized, "a remote client has access: {text:?}");
    }
    if response.headers().contains_key("content-encoding") {
        let accepted =
            String::from_utf8_lossy(value(ACCEPT_ENCODING).unwrap_or_default()).to_ascii_lowercase();
        assert!(accepted.contains("gzip") || accepted.contains('*'), "{text:?}");
    }

    let response = respond(from_local);
    assert!(response.headers().contains_key("cache-control"), "{text:?}");
    let kind = response.headers().get("content-type");
    if kind.is_some_and(|kind| kind == "text/html; charset=utf-8") && target.path() == "/requests" {
        let accepted = String::from_utf8_lossy(value(ACCEPT).unwrap_or_default()).to_ascii_lowercase();
        assert!(accepted.contains("text/html"), "{text:?}");
    }
    let changed = method != b"GET" && method != b"HEAD" && response.status().is_success();
    if changed {
        let origin = value(ORIGIN).unwrap_or_default();
        let origin = String::from_utf8_lossy(origin).to_ascii_lowercase();
        let host = target.authority().map_or_else(
            || value(HOST).unwrap_or_default(),
            |host| host.as_str().as_bytes(),
        );
        let host = String::from_utf8_lossy(host).to_ascii_lowercase();
        let host = host
            .strip_suffix(":80")
            .or_else(|| host.strip_suffix(":443"))
            .unwrap_or(&host);
        assert!(
            origin.contains(host),
            "a cross-site request has side effects: {text:?}"
        );
    }
}

fn respond(request: Request<String>) -> Response<Body> {
    thread_local! {
        static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("runtime is built"),
        );
    }
    let admin = Admin::new()
        .with_token(TOKEN)
        .with_metrics(|_: &str| "hits_total 1\n".repeat(200))
        .with_requests(|| vec![RequestRow::new("one"), RequestRow::new("two")])
        .with_config(String::new)
        .with_log_level(String::new, |_| Ok(()))
        .with_drain(|| ());
    let response = async { admin.service().call(request).await };
    let Ok(response) = RUNTIME.with_borrow(|runtime| runtime.block_on(response));
    response
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_has_these_properties() {
        // A published crate has no corpus.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        if !root.join("fuzz").is_dir() {
            return;
        }
        let mut files = 0;
        let corpus = root.join("fuzz/corpus/admin_request");
        for entry in std::fs::read_dir(corpus).expect("the target has a corpus") {
            super::check(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "the corpus is empty");
    }
}
