//! `GET /call`: makes an outgoing call through campanile's outbound layers and reports its result.

mod redirect;
mod retry;
mod upstream;

use std::{error::Error, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use campanile_outbound::{CallDeadline, CallName, DeadlineExceeded};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;

use self::retry::Attempts;
pub(crate) use self::upstream::Upstream;

type BoxError = Box<dyn Error + Send + Sync>;

/// Longer than any test runs.
const NO_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// The query of `/call`.
#[derive(Debug, Deserialize)]
pub(crate) struct CallQuery {
    url: String,
    method: Option<String>,
    timeout: Option<f64>,
    api: Option<String>,
    hostname: Option<String>,
    rid: Option<String>,
    body: Option<String>,
    backends: Option<String>,
    #[serde(default)]
    retries: u32,
    name: Option<String>,
}

/// Handles `/call`: 200, also if the call failed.
pub(crate) async fn call(State(upstream): State<Upstream>, Query(query): Query<CallQuery>) -> Response {
    let report = query.call(&upstream).await.unwrap_or_else(|error| {
        let text = error_chain(&*error);
        tracing::info!(error = text, "call failed");
        json!({ "error": text })
    });
    let view = [("x-view-name", HeaderValue::from_static("call.view"))];
    (view, Json(report)).into_response()
}

impl CallQuery {
    async fn call(&self, upstream: &Upstream) -> Result<Value, BoxError> {
        if let Some((authority, name)) = self.name.as_deref().and_then(|pair| pair.split_once(',')) {
            upstream.register(authority, name);
        }
        let time = self.timeout.map(Duration::try_from_secs_f64).transpose()?;
        let deadline = time.map(CallDeadline::after);
        timeout(time.unwrap_or(NO_TIMEOUT), self.follow(upstream, deadline))
            .await
            // The layers bound the time to the response head; this bounds the body.
            .map_err(|_| "the body did not come in time")?
    }

    /// Makes the call, and follows redirects.
    async fn follow(&self, upstream: &Upstream, deadline: Option<CallDeadline>) -> Result<Value, BoxError> {
        let mut uri: Uri = self.url.parse()?;
        let mut method = Method::from_bytes(self.method.as_deref().unwrap_or("GET").as_bytes())?;
        let mut body = Bytes::from(self.body.clone().unwrap_or_default());
        let mut history = Vec::new();
        loop {
            let request = self.request(uri.clone(), method.clone(), body.clone(), deadline)?;
            let attempts = Attempts::new(self.retries, self.backends.as_deref());
            let response = upstream.client(attempts).oneshot(request).await?;
            if let Some(exceeded) = response.extensions().get::<DeadlineExceeded>() {
                return Err(exceeded.clone().into());
            }
            let (head, body_in) = response.into_parts();
            let text = body_in.collect().await?.to_bytes();
            let Some(next) = redirect::next(&uri, head.status, &head.headers)? else {
                tracing::info!(url = %uri, status = head.status.as_u16(), "called");
                return Ok(report(head.status, &head.headers, &history, &text));
            };
            history.push(head.status.as_u16());
            if history.len() > redirect::MAX_REDIRECTS {
                return Err("redirected too often".into());
            }
            if redirect::switches_to_get(head.status, &method) {
                (method, body) = (Method::GET, Bytes::new());
            }
            uri = next;
        }
    }

    fn request(
        &self,
        uri: Uri,
        method: Method,
        body: Bytes,
        deadline: Option<CallDeadline>,
    ) -> Result<Request<Full<Bytes>>, BoxError> {
        let name = CallName::new(
            self.hostname.clone().unwrap_or_default(),
            self.api.clone().unwrap_or_default(),
        );
        let mut request = Request::builder().method(method).uri(uri).extension(name);
        if let Some(id) = &self.rid {
            request = request.header("x-request-id", id);
        }
        if let Some(deadline) = deadline {
            request = request.extension(deadline);
        }
        Ok(request.body(Full::new(body))?)
    }
}

fn report(status: StatusCode, headers: &HeaderMap, history: &[u16], body: &[u8]) -> Value {
    let text = |name: &str| {
        let value = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    json!({
        "status": status.as_u16(),
        "history": history,
        "upstream_id": text("x-request-id"),
        "upstream_view": text("x-view-name"),
        "body": String::from_utf8_lossy(body),
    })
}

/// Formats an error with its sources.
fn error_chain(error: &(dyn Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |error| (*error).source());
    let texts: Vec<_> = sources.map(ToString::to_string).collect();
    texts.join(": ")
}
