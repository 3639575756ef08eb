//! The service in servers of others.

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
async fn it_is_mounted_in_an_axum_router() {
    let admin = Admin::new().with_requests(Vec::new).with_peer(|extensions| {
        extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|peer| Peer::from(peer.0))
    });
    let router = Router::new()
        .route("/", get("app"))
        .nest_service("/admin", admin.service())
        .fallback_service(admin.probes());
    let (near, far) = ("127.0.0.1:1", "192.0.2.1:1");
    for (target, peer, expected) in [
        ("/", far, 200),
        ("/admin/", near, 200),
        ("/admin/requests", near, 200),
        ("/admin/requests", far, 403),
        ("/admin/livez", far, 200),
        ("/admin/nothing", near, 404),
        ("/health", far, 200),
        ("/_status/ping", far, 200),
        ("/requests", near, 404),
    ] {
        assert_eq!(
            status(&router, target, peer).await,
            expected,
            "{target} from {peer}"
        );
    }
}
