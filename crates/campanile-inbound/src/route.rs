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

/// A route that somebody in front of the layer knows.
#[derive(Clone, Copy)]
pub(crate) enum Known<'a> {
    /// What the user says.
    Said(&'a Route),
    #[cfg(feature = "axum")]
    Matched(&'a axum::extract::MatchedPath),
}

impl<'a> Known<'a> {
    #[inline]
    pub(crate) fn as_str(self) -> &'a str {
        match self {
            Self::Said(route) => route.as_str(),
            #[cfg(feature = "axum")]
            Self::Matched(path) => path.as_str(),
        }
    }

    /// Tells whether the template may be one that [stays](Self::stays).
    pub(crate) fn may_stay(self) -> bool {
        !matches!(self, Self::Said(Route(Cow::Owned(_))))
    }

    /// Sees to it that the template stays where it stands for ever, and tells whether it does.
    ///
    /// A router keeps one text for each of its routes and lends it to every request; here it is borrowed for good. Not
    /// for each request: it may be one that was made for a request alone.
    pub(crate) fn stays(self) -> bool {
        match self {
            Self::Said(_) => self.may_stay(),
            #[cfg(feature = "axum")]
            Self::Matched(path) => {
                let kept: &'static axum::extract::MatchedPath = Box::leak(Box::new(path.clone()));
                // A clone that copied its text would keep nothing where the original stands.
                std::ptr::eq(kept.as_str(), path.as_str())
            }
        }
    }
}

/// Finds the route that somebody in front of the layer knows.
// Always, and what it calls too: the compiler has to see that no reference to the request's extensions is kept, else the
// request would be copied once more on its way.
#[inline(always)]
pub(crate) fn of(extensions: &Extensions) -> Option<Known<'_>> {
    if extensions.is_empty() {
        return None;
    }
    find(extensions)
}

/// Finds the template of the route that somebody in front of the layer knows.
pub(crate) fn template(extensions: &Extensions) -> Option<&str> {
    of(extensions).map(Known::as_str)
}

#[inline]
fn find(extensions: &Extensions) -> Option<Known<'_>> {
    if let Some(route) = extensions.get::<Route>() {
        return Some(Known::Said(route));
    }
    #[cfg(feature = "axum")]
    if let Some(path) = extensions.get::<axum::extract::MatchedPath>() {
        return Some(Known::Matched(path));
    }
    None
}
