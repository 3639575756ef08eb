//! The service mounted in another server.

use std::net::SocketAddr;

use axum::{Router, extract::ConnectInfo, routing::get};
use campanile_admin::{Admin, Peer};
use http::{Request, header::HOST};
use tower::ServiceExt;

async fn status(router: &Router, target: &str, peer: &str) -> u16 {
    let peer: SocketAddr = peer.parse().expect("an address");
    let mut request = Request::get(target)
        .header(HOST, "localhost")
        .body(axum::body::Body::empty())
        .expect("a request");
    request.extensions_mut().insert(ConnectInfo(peer));
    router.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn service_can_be_mounted_in_an_axum_router() {
    let admin = Admin::new().with_requests(Vec::new).with_peer(|extensions| {
        extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|peer| Peer::from(peer.0))
    });
    let router = Router::new()
        .route("/", get("app"))
        .nest_service("/admin", admin.service())
        .fallback_service(admin.probes());
    let (local, remote) = ("127.0.0.1:1", "192.0.2.1:1");
    for (target, peer, expected) in [
        ("/", remote, 200),
        ("/admin/", local, 200),
        ("/admin/requests", local, 200),
        ("/admin/requests", remote, 403),
        ("/admin/livez", remote, 200),
        ("/admin/nothing", local, 404),
        ("/health", remote, 200),
        ("/_status/ping", remote, 200),
        ("/requests", local, 404),
    ] {
        assert_eq!(
            status(&router, target, peer).await,
            expected,
            "{target} from {peer}"
        );
    }
}
