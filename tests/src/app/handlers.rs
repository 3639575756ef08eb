//! The handlers, by path.

use axum::body::Body;
use campanile_inbound::UpgradeGuard;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tower::BoxError;

use super::{
    EXPECTED_PANIC, TestApp,
    scripted_body::{BodyStep, body, message},
};

pub(super) async fn handle<B>(app: &TestApp, mut request: Request<B>) -> Result<Response<Body>, BoxError>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let release = app.enter(&request);
    let path = request.uri().path().to_owned();
    // hyper strips forbidden bodies over HTTP/1; over HTTP/2 that is left to the application, and axum does it.
    let strips = request.version() == Version::HTTP_2;
    let head_only = strips && *request.method() == Method::HEAD;
    let mut response = Response::new(Body::empty());
    match path.as_str() {
        "/hello" => *response.body_mut() = Body::from("hello"),
        "/exact" => *response.body_mut() = Body::from(vec![b'x'; 1000]),
        "/nothing" => *response.status_mut() = StatusCode::NO_CONTENT,
        "/unchanged" => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            // A forbidden body, as a careless application sends it.
            if !strips {
                *response.body_mut() = Body::from("as before");
            }
        }
        "/stream" => {
            *response.body_mut() = body([
                BodyStep::Data("hello"),
                BodyStep::Data(" "),
                BodyStep::Data("world"),
            ])
        }
        "/content-length" => {
            // The length is in the header, but not in the size hint of the body.
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, HeaderValue::from_static("11"));
            *response.body_mut() = body([BodyStep::Data("hello"), BodyStep::Data(" world")]);
        }
        "/trailers" => {
            response
                .headers_mut()
                .insert(header::TRAILER, HeaderValue::from_static("x-sum"));
            *response.body_mut() = body([BodyStep::Data("hello"), BodyStep::Trailers("x-sum", "5")]);
        }
        "/echo" => {
            let read = request.into_body().collect().await.map_err(Into::into)?;
            *response.body_mut() = Body::from(read.to_bytes().len().to_string());
        }
        "/hang" => std::future::pending().await,
        "/wait" => {
            release.ok_or("the gate is not observed")?.await?;
            *response.body_mut() = Body::from("hello");
        }
        "/stall" => *response.body_mut() = body([BodyStep::Data("hello"), BodyStep::Never]),
        "/flood" => *response.body_mut() = body([BodyStep::Data("hello"), BodyStep::Flood]),
        "/panic" => std::panic::panic_any(EXPECTED_PANIC),
        "/body-panic" => *response.body_mut() = body([BodyStep::Data("hello"), BodyStep::Panic]),
        "/body-error" => *response.body_mut() = body([BodyStep::Data("hello"), BodyStep::Error]),
        "/error" => return Err(EXPECTED_PANIC.into()),
        "/ws" => upgrade(&mut request, &mut response),
        "/pkg.Greeter/Unary" => grpc(&mut response, 1, BodyStep::Trailers("grpc-status", "0")),
        "/pkg.Greeter/Stream" => grpc(&mut response, 3, BodyStep::Trailers("grpc-status", "0")),
        "/pkg.Greeter/Late" => grpc(&mut response, 1, BodyStep::Trailers("grpc-status", "10")),
        "/pkg.Greeter/Silent" => grpc(&mut response, 1, BodyStep::Data("")),
        "/pkg.Greeter/Stall" => grpc(&mut response, 1, BodyStep::Never),
        "/pkg.Greeter/Refused" => refuse(response.headers_mut(), "5"),
        "/pkg.Greeter/Hang" => std::future::pending().await,
        path if path.starts_with("/pkg.") => refuse(response.headers_mut(), "12"),
        path if path.starts_with("/any/") => *response.body_mut() = Body::from("hello"),
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    if head_only {
        *response.body_mut() = Body::empty();
    }
    Ok(response)
}

/// Responds like tonic: framed messages, then the status in trailers.
fn grpc(response: &mut Response<Body>, messages: usize, end: BodyStep) {
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    // Over HTTP/1 hyper sends only announced trailers.
    response
        .headers_mut()
        .insert(header::TRAILER, HeaderValue::from_static("grpc-status"));
    let messages = (0..messages).map(|_| BodyStep::Bytes(message(b"hello")));
    *response.body_mut() = body(messages.chain([end]).collect::<Vec<_>>());
}

/// Responds with trailers only.
fn refuse(headers: &mut HeaderMap, status: &'static str) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(status));
}

/// Accepts a tunnel that echoes, and holds the guard while it is open.
fn upgrade<B>(request: &mut Request<B>, response: &mut Response<Body>) {
    let guard = request.extensions_mut().remove::<UpgradeGuard>();
    if *request.method() != Method::CONNECT {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(io) = upgraded.await {
            let (mut read, mut write) = tokio::io::split(TokioIo::new(io));
            let _ = tokio::io::copy(&mut read, &mut write).await;
        }
        drop(guard);
    });
}
