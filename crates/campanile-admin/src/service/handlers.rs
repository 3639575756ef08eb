//! Dispatch to the endpoints, and the handlers of the small ones.

use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BufMut};
use http::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;

use super::access::AccessDenied;
use super::endpoint::Endpoint;
use super::request_head::query_value;
use super::{metrics, requests, response};
use crate::config::AdminConfig;
use crate::live::ServiceInfo;
use crate::{Body, CheckResult, Peer, ServicePhase, ServiceStatus};

/// The live page, a single file without external resources.
const PAGE: &str = include_str!("../page/index.html");

/// The longest log filter, in bytes.
const FILTER_LENGTH: usize = 8 * 1024;
const FILTER_TIMEOUT: Duration = Duration::from_secs(5);

/// Responds to a request. `endpoint` is `None` if the path is unknown or not part of this service.
pub(super) async fn respond<B>(
    config: Arc<AdminConfig>,
    endpoint: Option<Endpoint>,
    request: Request<B>,
) -> Response<Body>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let method = request.method().clone();
    let mut response = catching(respond_caught(config, endpoint, request)).await;
    response::add_common_headers(&mut response);
    response::drop_body_of_head(&mut response, &method);
    response
}

/// Responds with 500 if a callback panics.
async fn catching(response: impl Future<Output = Response<Body>>) -> Response<Body> {
    let mut response = pin!(response);
    // Unwind safe: the future is not polled again, and it shares nothing but the callbacks.
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            let reason = "a callback of this endpoint panicked\n";
            Poll::Ready(response::text(StatusCode::INTERNAL_SERVER_ERROR, reason))
        })
    })
    .await
}

async fn respond_caught<B>(
    config: Arc<AdminConfig>,
    endpoint: Option<Endpoint>,
    request: Request<B>,
) -> Response<Body>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let (parts, body) = request.into_parts();
    let mut response = match endpoint.filter(|endpoint| is_enabled(&config, *endpoint)) {
        None => response::text(StatusCode::NOT_FOUND, "not found\n"),
        Some(endpoint) => match reject(&config, endpoint, &parts) {
            Some(rejection) => rejection,
            None if endpoint == Endpoint::LogLevel && parts.method == Method::PUT => {
                set_log_filter(&config, body).await
            }
            None => dispatch(&config, endpoint, &parts).await,
        },
    };
    if endpoint.is_some_and(Endpoint::is_probe) && is_draining(&config) {
        response::close_connection(&mut response, parts.version);
    }
    response
}

/// Returns whether the service drains; false if the status callback panics, so that `/livez` responds all the same.
fn is_draining(config: &AdminConfig) -> bool {
    catch_unwind(AssertUnwindSafe(|| config.status().is_draining())).unwrap_or(false)
}

/// Returns whether the callback of the endpoint is set.
fn is_enabled(config: &AdminConfig, endpoint: Endpoint) -> bool {
    match endpoint {
        Endpoint::Metrics => config.render.is_some(),
        Endpoint::Config => config.config_text.is_some(),
        Endpoint::Requests => config.requests.is_some(),
        Endpoint::LogLevel => config.log_filter.is_some(),
        Endpoint::Drain => config.drain.is_some(),
        _ => true,
    }
}

/// Rejects requests without access or with another method.
fn reject(config: &AdminConfig, endpoint: Endpoint, parts: &Parts) -> Option<Response<Body>> {
    let inserted = parts.extensions.get::<Peer>().copied();
    let peer = inserted.or_else(|| config.find_peer.as_ref().and_then(|find| find(&parts.extensions)));
    let (status, reason) = match config.access.check(endpoint, parts, peer) {
        Err(AccessDenied::Token) => (
            StatusCode::UNAUTHORIZED,
            "the token of the admin port is required\n",
        ),
        Err(AccessDenied::Address) => (
            StatusCode::FORBIDDEN,
            "only clients on the same machine or in an allowed network have access\n",
        ),
        Err(AccessDenied::Host) => (
            StatusCode::FORBIDDEN,
            "the Host header is not an address, localhost or an allowed host\n",
        ),
        Err(AccessDenied::Origin) => (StatusCode::FORBIDDEN, "cross-site requests are not allowed\n"),
        Ok(()) if endpoint.allows(&parts.method) => return None,
        Ok(()) => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n"),
    };
    let mut response = response::text(status, reason);
    let headers = response.headers_mut();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static(endpoint.allow()));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Some(response)
}

async fn dispatch(config: &Arc<AdminConfig>, endpoint: Endpoint, parts: &Parts) -> Response<Body> {
    match endpoint {
        Endpoint::Livez => response::text(StatusCode::OK, "ok\n"),
        Endpoint::Readyz => readiness(config).await,
        Endpoint::Health => health(config, &parts.uri).await,
        Endpoint::Ping => response::text(StatusCode::OK, version_line(config)),
        Endpoint::Check => check(config).await,
        Endpoint::Metrics => metrics::respond(config, &parts.headers).await,
        Endpoint::Requests => requests::respond(config, parts).await,
        Endpoint::Page => page(),
        Endpoint::Live => live(config, &parts.method),
        Endpoint::Drain => drain(config, &parts.uri),
        Endpoint::Config => {
            let config = config.config_text.as_ref().map(|config| config());
            response::text(StatusCode::OK, config.unwrap_or_default())
        }
        Endpoint::LogLevel => {
            let filter = config.log_filter.as_ref().map(|filter| (filter.read)());
            let filter = filter.unwrap_or_default();
            response::text(StatusCode::OK, format!("{}\n", filter.trim_end()))
        }
    }
}

async fn readiness(config: &AdminConfig) -> Response<Body> {
    let checks = config.run_checks().await;
    // Read after the checks, which may take a while: a drain that began during them must be reported.
    let status = config.status();
    let ready = status.phase() == ServicePhase::Ready && checks.iter().all(CheckResult::is_passed);
    probe(config, ready, status, &checks)
}

async fn health(config: &AdminConfig, uri: &Uri) -> Response<Body> {
    let kind = query_value(uri, "type").unwrap_or_default();
    let status = config.status();
    match kind.to_ascii_lowercase().as_str() {
        "liveness" | "2" => probe(config, true, status, &[]),
        "startup" | "3" => probe(config, status.phase() > ServicePhase::Starting, status, &[]),
        _ => readiness(config).await,
    }
}

fn probe(
    config: &AdminConfig,
    healthy: bool,
    status: ServiceStatus,
    checks: &[CheckResult],
) -> Response<Body> {
    let code = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let pid = config.shared_port.then(std::process::id);
    response::json(code, &status.to_json(checks, pid))
}

/// Responds as talisker's check: 500 if a check fails, unless the service drains, and the version otherwise.
async fn check(config: &AdminConfig) -> Response<Body> {
    let checks = config.run_checks().await;
    let failures: String = checks.iter().filter_map(CheckResult::failure_line).collect();
    if failures.is_empty() || config.status().is_draining() {
        response::text(StatusCode::OK, version_line(config))
    } else {
        response::text(StatusCode::INTERNAL_SERVER_ERROR, failures)
    }
}

fn version_line(config: &AdminConfig) -> String {
    let version = Some(&config.version).filter(|version| !version.is_empty());
    format!("{}\n", version.map_or("unknown", String::as_str))
}

/// Responds with the page and a policy that allows its own script and style only.
fn page() -> Response<Body> {
    let nonce = nonce();
    let mut response = response::html(PAGE.replace("{nonce}", &nonce));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Returns 128 unpredictable bits: `RandomState` is keyed with the randomness of the system.
fn nonce() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let [a, b] = [(); 2].map(|()| RandomState::new().hash_one(count));
    format!("{a:016x}{b:016x}")
}

fn live(config: &AdminConfig, method: &Method) -> Response<Body> {
    let body = if *method == Method::HEAD {
        Body::full("")
    } else {
        let info = ServiceInfo {
            name: &config.service_name,
            version: &config.version,
            history_seconds: config.history_seconds,
        };
        match config.live.subscribe(info) {
            Ok(events) => Body::events(events),
            Err(error) => return response::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        }
    };
    let mut response = Response::new(body);
    let event_stream = HeaderValue::from_static("text/event-stream");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, event_stream);
    // nginx would keep events until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn drain(config: &AdminConfig, uri: &Uri) -> Response<Body> {
    let own_pid = std::process::id();
    let is_for_us = match query_value(uri, "pid") {
        Some(pid) => pid.parse() == Ok(own_pid),
        None => !config.shared_port,
    };
    if !is_for_us {
        let reason = format!("this is process {own_pid}: select the process to drain by ?pid=\n");
        return response::text(StatusCode::CONFLICT, reason);
    }
    if let Some(drain) = &config.drain {
        drain();
    }
    response::text(StatusCode::ACCEPTED, "draining\n")
}

async fn set_log_filter<B>(config: &AdminConfig, body: B) -> Response<Body>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let filter = match tokio::time::timeout(FILTER_TIMEOUT, read_filter(body)).await {
        Ok(Ok(filter)) => filter,
        Ok(Err(status)) => {
            let reason = format!("the body must be a filter of at most {FILTER_LENGTH} bytes\n");
            return response::text(status, reason);
        }
        Err(_) => return response::text(StatusCode::REQUEST_TIMEOUT, "the request body timed out\n"),
    };
    let filter = filter.trim();
    if filter.is_empty() {
        return response::text(StatusCode::BAD_REQUEST, "the filter is empty\n");
    }
    let write = config.log_filter.as_ref().map(|log_filter| &log_filter.write);
    match write.map_or(Ok(()), |write| write(filter)) {
        Ok(()) => response::empty(StatusCode::NO_CONTENT),
        Err(error) => response::text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

/// Reads the body as text, or returns the status of the rejection.
async fn read_filter<B>(body: B) -> Result<String, StatusCode>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let mut body = pin!(body);
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
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
