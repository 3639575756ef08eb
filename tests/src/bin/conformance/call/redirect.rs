//! Redirects.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header::LOCATION, uri::PathAndQuery};

use super::BoxError;

/// The number of redirects that are followed.
pub(super) const MAX_REDIRECTS: usize = 10;

/// Returns the URL to which a response redirects.
pub(super) fn next(from: &Uri, status: StatusCode, headers: &HeaderMap) -> Result<Option<Uri>, BoxError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(LOCATION) else {
        return Ok(None);
    };
    let location = location.to_str()?;
    if location.contains("://") {
        return Ok(Some(location.parse()?));
    }
    let mut parts = from.clone().into_parts();
    let path: PathAndQuery = if location.starts_with('/') {
        location.parse()?
    } else {
        let (folder, _) = from.path().rsplit_once('/').unwrap_or_default();
        format!("{folder}/{location}").parse()?
    };
    parts.path_and_query = Some(path);
    Ok(Some(Uri::from_parts(parts)?))
}

/// Returns whether the redirected call is a `GET`, as in browsers and in Python clients.
pub(super) fn switches_to_get(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::SEE_OTHER => method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
        _ => false,
    }
}
