//! From a request to its answer.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut};
use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;

use super::endpoint::Endpoint;
use super::gate::Refusal;
use super::{answer, page, query, requests, scrape};
use crate::live::About;
use crate::settings::Settings;
use crate::{Body, Check, Peer, Phase};

/// No filter of a log is longer.
const FILTER_LENGTH: usize = 8 * 1024;
/// A filter that has not come by then will not come.
const FILTER_TIME: Duration = Duration::from_secs(5);

/// Answers a request. No endpoint is a path that is unknown, or not for this service.
pub(super) async fn answer<B>(
    settings: Arc<Settings>,
    endpoint: Option<Endpoint>,
    request: Request<B>,
) -> Response<Body>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let (parts, body) = request.into_parts();
    let mut response = match endpoint.filter(|endpoint| is_there(&settings, *endpoint)) {
        None => answer::text(StatusCode::NOT_FOUND, "there is nothing here\n"),
        Some(endpoint) => match refusal(&settings, endpoint, &parts) {
            Some(response) => response,
            None if endpoint == Endpoint::LogLevel && parts.method == Method::PUT => {
                set_log_level(&settings, body).await
            }
            None => go(&settings, endpoint, &parts).await,
        },
    };
    answer::finish(&mut response);
    if endpoint.is_some_and(Endpoint::is_probe) && settings.status().is_draining() {
        answer::close(&mut response, parts.version);
    }
    answer::cut_to_head(&mut response, &parts.method);
    response
}

/// Tells whether the caller gave what the endpoint needs.
fn is_there(settings: &Settings, endpoint: Endpoint) -> bool {
    match endpoint {
        Endpoint::Metrics => settings.render.is_some(),
        Endpoint::Config => settings.config.is_some(),
        Endpoint::Requests => settings.requests.is_some(),
        Endpoint::LogLevel => settings.log_level.is_some(),
        Endpoint::Drain => settings.drain.is_some(),
        _ => true,
    }
}

fn refusal(settings: &Settings, endpoint: Endpoint, parts: &Parts) -> Option<Response<Body>> {
    let found = parts.extensions.get::<Peer>().copied();
    let peer = found.or_else(|| settings.peer.as_ref().and_then(|find| find(&parts.extensions)));
    let (status, why) = match settings.gate.check(endpoint, parts, peer) {
        Err(Refusal::Token) => (
            StatusCode::UNAUTHORIZED,
            "this takes the token of the admin port\n",
        ),
        Err(Refusal::Address) => (
            StatusCode::FORBIDDEN,
            "this is for clients on the same machine or in a network that the service was told of\n",
        ),
        Err(Refusal::Host) => (
            StatusCode::FORBIDDEN,
            "the Host header names neither an address nor localhost nor a host that the service was told of\n",
        ),
        Err(Refusal::Origin) => (StatusCode::FORBIDDEN, "a page of another site sent this\n"),
        Ok(()) if endpoint.allows(&parts.method) => return None,
        Ok(()) => (StatusCode::METHOD_NOT_ALLOWED, "there is no such method here\n"),
    };
    let mut response = answer::text(status, why);
    let headers = response.headers_mut();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static(endpoint.allow()));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Some(response)
}

async fn go(settings: &Arc<Settings>, endpoint: Endpoint, parts: &Parts) -> Response<Body> {
    match endpoint {
        Endpoint::Livez => answer::text(StatusCode::OK, "ok\n"),
        Endpoint::Readyz => readiness(settings).await,
        Endpoint::Health => health(settings, parts.uri.query()).await,
        Endpoint::Ping => answer::text(StatusCode::OK, version(settings)),
        Endpoint::Check => check(settings).await,
        Endpoint::Metrics => scrape::answer(settings, &parts.headers).await,
        Endpoint::Requests => requests::answer(settings, parts).await,
        Endpoint::Page => page::answer(),
        Endpoint::Live => live(settings, &parts.method),
        Endpoint::Drain => drain(settings, parts.uri.query()),
        Endpoint::Config => {
            let config = settings.config.as_ref().map(|config| config());
            answer::text(StatusCode::OK, config.unwrap_or_default())
        }
        Endpoint::LogLevel => {
            let filter = settings.log_level.as_ref().map(|log_level| (log_level.read)());
            answer::text(
                StatusCode::OK,
                format!("{}\n", filter.unwrap_or_default().trim_end()),
            )
        }
    }
}

async fn readiness(settings: &Settings) -> Response<Body> {
    let checks = settings.checks().await;
    // After the checks, which take their time: an answer that was sent in the drain must not say ready.
    let status = settings.status();
    let ready = status.phase() == Phase::Ready && checks.iter().all(Check::is_passed);
    answer::json(ok_if(ready), &status.to_json(&checks, settings.shared_port))
}

async fn health(settings: &Settings, query: Option<&str>) -> Response<Body> {
    let asked = query::value(query, "type").unwrap_or_default();
    let alive = match asked.to_ascii_lowercase().as_str() {
        "liveness" | "2" => true,
        "startup" | "3" => settings.status().phase() > Phase::Starting,
        _ => return readiness(settings).await,
    };
    answer::json(
        ok_if(alive),
        &settings.status().to_json(&[], settings.shared_port),
    )
}

/// As talisker's: the version, unless the service says that it is not well. What drains is.
async fn check(settings: &Settings) -> Response<Body> {
    let checks = settings.checks().await;
    let failed: String = checks
        .iter()
        .filter(|check| !check.is_passed())
        .map(Check::line)
        .collect();
    if failed.is_empty() || settings.status().is_draining() {
        answer::text(StatusCode::OK, version(settings))
    } else {
        answer::text(StatusCode::INTERNAL_SERVER_ERROR, failed)
    }
}

fn version(settings: &Settings) -> String {
    let version = Some(&settings.version).filter(|version| !version.is_empty());
    format!("{}\n", version.map_or("unknown", String::as_str))
}

fn ok_if(well: bool) -> StatusCode {
    if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

fn live(settings: &Settings, method: &Method) -> Response<Body> {
    let body = if *method == Method::HEAD {
        Body::whole("")
    } else {
        let about = About {
            service: &settings.service_name,
            version: &settings.version,
            length: settings.history,
        };
        match settings.live.join(about) {
            Ok(events) => Body::events(events),
            Err(why) => return answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        }
    };
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn drain(settings: &Settings, query: Option<&str>) -> Response<Body> {
    let own = std::process::id();
    let meant = query::value(query, "pid");
    let ours = match &meant {
        Some(pid) => pid.parse() == Ok(own),
        None => !settings.shared_port,
    };
    if !ours {
        let why = format!("this is process {own}: name the one to drain by ?pid=\n");
        return answer::text(StatusCode::CONFLICT, why);
    }
    if let Some(drain) = &settings.drain {
        drain();
    }
    answer::text(StatusCode::ACCEPTED, "draining\n")
}

/// Reads a short text, or tells the status that says why it cannot be read.
async fn read<B>(body: B) -> Result<String, StatusCode>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let mut body = pin!(body);
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        // What the body fails with tells nobody anything: whoever sends it has gone.
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        if let Ok(data) = frame.into_data() {
            if text.len() + data.remaining() > FILTER_LENGTH {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            text.put(data);
        }
    }
    String::from_utf8(text).map_err(|_| StatusCode::BAD_REQUEST)
}

async fn set_log_level<B>(settings: &Settings, body: B) -> Response<Body>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let filter = match tokio::time::timeout(FILTER_TIME, read(body)).await {
        Ok(Ok(filter)) => filter,
        Ok(Err(status)) => return answer::text(status, "a filter is a short text\n"),
        Err(_) => return answer::text(StatusCode::REQUEST_TIMEOUT, "the filter did not come\n"),
    };
    let log_level = settings.log_level.as_ref();
    match log_level.map_or(Ok(()), |log_level| (log_level.write)(filter.trim())) {
        Ok(()) => answer::empty(StatusCode::NO_CONTENT),
        Err(why) => answer::text(StatusCode::BAD_REQUEST, format!("{why}\n")),
    }
}
