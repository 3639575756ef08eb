//! Where an answer sends its asker to.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header::LOCATION, uri::PathAndQuery};

use super::BoxError;

/// The most redirects that are followed.
pub(super) const MOST: usize = 10;

/// Returns the URL that an answer redirects to.
pub(super) fn next(from: &Uri, status: StatusCode, fields: &HeaderMap) -> Result<Option<Uri>, BoxError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = fields.get(LOCATION) else {
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

/// Tells whether the redirected call is a `GET`, as browsers and Python's clients have it.
pub(super) fn asks_again_by_get(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::SEE_OTHER => method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => method == Method::POST,
        _ => false,
    }
}
