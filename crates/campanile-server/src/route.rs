//! Which route a request belongs to.

use std::{borrow::Cow, fmt};

use http::Extensions;

/// The route of a request, where the user knows better than the layers.
///
/// Put into a request's extensions before the layers see it, or into a response's by whoever routed it. Wins over
/// axum's `MatchedPath`. A template, not a path: `/users/{id}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Route(Cow<'static, str>);

impl Route {
    /// Makes a route of a template.
    pub fn new(template: impl Into<Cow<'static, str>>) -> Self {
        Self(template.into())
    }

    /// Returns the template.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({})", self.0)
    }
}

/// Finds the route that somebody in front of the layer knows.
#[inline]
pub(crate) fn of(extensions: &Extensions) -> Option<&str> {
    if extensions.is_empty() {
        return None;
    }
    if let Some(route) = extensions.get::<Route>() {
        return Some(route.as_str());
    }
    #[cfg(feature = "axum")]
    if let Some(path) = extensions.get::<axum::extract::MatchedPath>() {
        return Some(path.as_str());
    }
    None
}
