//! The handlers, by path.

use axum::body::Body;
use campanile_inbound::UpgradeGuard;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tower::BoxError;

use super::{
    App,
    bodies::{Piece, body, message},
};

pub(super) async fn answer<B>(app: &App, mut request: Request<B>) -> Result<Response<Body>, BoxError>
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let go_on = app.arrive(&request);
    let path = request.uri().path().to_owned();
    // hyper drops what must not be sent over HTTP/1, and sends it over HTTP/2 where nobody stripped it, as axum does.
    let strips = request.version() == Version::HTTP_2;
    let head_only = strips && *request.method() == Method::HEAD;
    let mut answer = Response::new(Body::empty());
    match path.as_str() {
        "/hello" => *answer.body_mut() = Body::from("hello"),
        "/exact" => *answer.body_mut() = Body::from(vec![b'x'; 1000]),
        "/nothing" => *answer.status_mut() = StatusCode::NO_CONTENT,
        "/unchanged" => {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            // A body that must not be sent, as careless applications give one.
            if !strips {
                *answer.body_mut() = Body::from("as before");
            }
        }
        "/stream" => {
            *answer.body_mut() = body([Piece::Data("hello"), Piece::Data(" "), Piece::Data("world")])
        }
        "/told" => {
            // Its length stands in the header, but not in the body's size hint.
            answer
                .headers_mut()
                .insert(header::CONTENT_LENGTH, HeaderValue::from_static("11"));
            *answer.body_mut() = body([Piece::Data("hello"), Piece::Data(" world")]);
        }
        "/trailers" => {
            answer
                .headers_mut()
                .insert(header::TRAILER, HeaderValue::from_static("x-sum"));
            *answer.body_mut() = body([Piece::Data("hello"), Piece::Trailers("x-sum", "5")]);
        }
        "/echo" => {
            let read = request.into_body().collect().await.map_err(Into::into)?;
            *answer.body_mut() = Body::from(read.to_bytes().len().to_string());
        }
        "/hang" => std::future::pending().await,
        "/wait" => {
            go_on.ok_or("nobody waits")?.await?;
            *answer.body_mut() = Body::from("hello");
        }
        "/stall" => *answer.body_mut() = body([Piece::Data("hello"), Piece::Never]),
        "/flood" => *answer.body_mut() = body([Piece::Data("hello"), Piece::Flood]),
        "/boom" => panic!("as asked"),
        "/body-boom" => *answer.body_mut() = body([Piece::Data("hello"), Piece::Boom]),
        "/body-error" => *answer.body_mut() = body([Piece::Data("hello"), Piece::Error]),
        "/error" => return Err("as asked".into()),
        "/ws" => upgrade(&mut request, &mut answer),
        "/pkg.Greeter/Unary" => grpc(&mut answer, 1, Piece::Trailers("grpc-status", "0")),
        "/pkg.Greeter/Stream" => grpc(&mut answer, 3, Piece::Trailers("grpc-status", "0")),
        "/pkg.Greeter/Late" => grpc(&mut answer, 1, Piece::Trailers("grpc-status", "10")),
        "/pkg.Greeter/Silent" => grpc(&mut answer, 1, Piece::Data("")),
        "/pkg.Greeter/Stall" => grpc(&mut answer, 1, Piece::Never),
        "/pkg.Greeter/Refused" => refuse(answer.headers_mut(), "5"),
        "/pkg.Greeter/Hang" => std::future::pending().await,
        path if path.starts_with("/pkg.") => refuse(answer.headers_mut(), "12"),
        path if path.starts_with("/any/") => *answer.body_mut() = Body::from("hello"),
        _ => *answer.status_mut() = StatusCode::NOT_FOUND,
    }
    if head_only {
        *answer.body_mut() = Body::empty();
    }
    Ok(answer)
}

/// Answers as tonic does: framed messages, then the status.
fn grpc(answer: &mut Response<Body>, messages: usize, end: Piece) {
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    // HTTP/1 sends only trailers that were announced.
    answer
        .headers_mut()
        .insert(header::TRAILER, HeaderValue::from_static("grpc-status"));
    let messages = (0..messages).map(|_| Piece::Bytes(message(b"hello")));
    *answer.body_mut() = body(messages.chain([end]).collect::<Vec<_>>());
}

/// Answers with trailers only.
fn refuse(headers: &mut HeaderMap, status: &'static str) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static(status));
}

/// Agrees to a tunnel that echoes, and holds the guard as long as it is open.
fn upgrade<B>(request: &mut Request<B>, answer: &mut Response<Body>) {
    let guard = request.extensions_mut().remove::<UpgradeGuard>();
    if *request.method() != Method::CONNECT {
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = answer.headers_mut();
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
