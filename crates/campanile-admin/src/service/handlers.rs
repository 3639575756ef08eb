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
    // Callbacks are caught on their own threads: this is for what is left, and for our own errors. Unwind safe: the future is
    // not polled again, and it shares nothing but the callbacks.
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
    if endpoint.is_some_and(Endpoint::is_probe) && is_draining(&config, endpoint).await {
        response::close_connection(&mut response, parts.version);
    }
    response
}

/// Returns whether the service drains. `/livez` must not depend on a callback: it responds as of the last time the status was
/// read, which it has read again for the next time.
async fn is_draining(config: &Arc<AdminConfig>, endpoint: Option<Endpoint>) -> bool {
    if endpoint != Some(Endpoint::Livez) {
        return config.status().await.is_ok_and(ServiceStatus::is_draining);
    }
    if config.status.is_some() {
        let mut reading = Box::pin({
            let config = Arc::clone(config);
            async move { config.status().await }
        });
        // The first poll starts the callback on its thread, where it completes by itself.
        let _ = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx).is_ready())).await;
    }
    config.was_draining()
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
    let peer = || match parts.extensions.get::<Peer>() {
        Some(peer) => Some(*peer),
        None => {
            let find = config.find_peer.as_ref()?;
            config.threads.peer.catch(|| find(&parts.extensions)).ok()?
        }
    };
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
        Endpoint::Drain => drain(config, &parts.uri).await,
        Endpoint::Config => {
            let read = config.config_text.clone();
            let text = move || read.map(|config| config()).unwrap_or_default();
            match config.threads.config.run(config.callback_timeout, text).await {
                Ok(text) => response::text(StatusCode::OK, text),
                Err(error) => response::callback_error("config", &error),
            }
        }
        Endpoint::LogLevel => {
            let read = config.log_filter.as_ref().map(|filter| Arc::clone(&filter.read));
            let text = move || read.map(|read| read()).unwrap_or_default();
            match config.threads.log_level.run(config.callback_timeout, text).await {
                Ok(filter) => response::text(StatusCode::OK, format!("{}\n", filter.trim_end())),
                Err(error) => response::callback_error("log-level", &error),
            }
        }
    }
}

async fn readiness(config: &AdminConfig) -> Response<Body> {
    let checks = match config.run_checks().await {
        Ok(checks) => checks,
        Err(error) => return response::callback_error("checks", &error),
    };
    // Read after the checks, which may take a while: a drain that began during them must be reported.
    match config.status().await {
        Ok(status) => {
            let ready = status.phase() == ServicePhase::Ready && checks.iter().all(CheckResult::is_passed);
            probe(config, ready, status, &checks)
        }
        Err(error) => response::callback_error("status", &error),
    }
}

async fn health(config: &AdminConfig, uri: &Uri) -> Response<Body> {
    let kind = query_value(uri, "type").unwrap_or_default();
    let is_healthy: fn(ServiceStatus) -> bool = match kind.to_ascii_lowercase().as_str() {
        "liveness" | "2" => |_| true,
        "startup" | "3" => |status| status.phase() > ServicePhase::Starting,
        _ => return readiness(config).await,
    };
    match config.status().await {
        Ok(status) => probe(config, is_healthy(status), status, &[]),
        Err(error) => response::callback_error("status", &error),
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
    let checks = match config.run_checks().await {
        Ok(checks) => checks,
        Err(error) => return response::callback_error("checks", &error),
    };
    let failures: String = checks.iter().filter_map(CheckResult::failure_line).collect();
    if failures.is_empty() || config.status().await.is_ok_and(ServiceStatus::is_draining) {
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
        config.live.check_sampler().map(|()| Body::omitted())
    } else {
        let info = ServiceInfo {
            name: &config.service_name,
            version: &config.version,
            history_seconds: config.history_seconds,
        };
        config.live.subscribe(info).map(Body::events)
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => return response::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    };
    let mut response = Response::new(body);
    let event_stream = HeaderValue::from_static("text/event-stream");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, event_stream);
    // nginx would keep events until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

async fn drain(config: &AdminConfig, uri: &Uri) -> Response<Body> {
    let own_pid = std::process::id();
    let is_for_us = match query_value(uri, "pid") {
        Some(pid) => pid.parse() == Ok(own_pid),
        None => !config.shared_port,
    };
    if !is_for_us {
        let reason = format!("this is process {own_pid}: select the process to drain by ?pid=\n");
        return response::text(StatusCode::CONFLICT, reason);
    }
    let Some(drain) = config.drain.clone() else {
        return response::empty(StatusCode::NOT_FOUND);
    };
    match config
        .threads
        .drain
        .run(config.callback_timeout, move || drain())
        .await
    {
        Ok(()) => response::text(StatusCode::ACCEPTED, "draining\n"),
        Err(error) => response::callback_error("drain", &error),
    }
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
    let filter = filter.trim().to_owned();
    if filter.is_empty() {
        return response::text(StatusCode::BAD_REQUEST, "the filter is empty\n");
    }
    let write = config
        .log_filter
        .as_ref()
        .map(|log_filter| Arc::clone(&log_filter.write));
    let written = config.threads.log_level.run(config.callback_timeout, move || {
        write.map_or(Ok(()), |write| write(&filter))
    });
    match written.await {
        Ok(Ok(())) => response::empty(StatusCode::NO_CONTENT),
        Ok(Err(error)) => response::text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        Err(error) => response::callback_error("log-level", &error),
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
