//! Which route a request belongs to.

use std::{borrow::Cow, fmt};

use http::Extensions;

/// The route of a request, set by a program that knows it better than the layers do.
///
/// Goes into the request's extensions in front of the layers, or into the response's. Takes precedence over axum's
/// `MatchedPath`. A template, not a path: `/users/{id}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Route(Cow<'static, str>);

impl Route {
    /// Makes a route from a template.
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

/// A route that is known before the inner service is called.
#[derive(Clone, Copy)]
pub(crate) enum KnownRoute<'a> {
    Named(&'a Route),
    #[cfg(feature = "axum")]
    Matched(&'a axum::extract::MatchedPath),
}

impl<'a> KnownRoute<'a> {
    /// Finds the route in a request's extensions.
    // Always inlined, with what it calls: otherwise the compiler assumes that a reference to the extensions is kept, and
    // copies the request once more on its way to the inner service.
    #[inline(always)]
    pub(crate) fn of(extensions: &'a Extensions) -> Option<Self> {
        if extensions.is_empty() {
            return None;
        }
        Self::find(extensions)
    }

    #[inline]
    fn find(extensions: &'a Extensions) -> Option<Self> {
        if let Some(route) = extensions.get::<Route>() {
            return Some(Self::Named(route));
        }
        #[cfg(feature = "axum")]
        if let Some(path) = extensions.get::<axum::extract::MatchedPath>() {
            return Some(Self::Matched(path));
        }
        None
    }

    #[inline]
    pub(crate) fn as_str(self) -> &'a str {
        match self {
            Self::Named(route) => route.as_str(),
            #[cfg(feature = "axum")]
            Self::Matched(path) => path.as_str(),
        }
    }

    /// Returns whether the route is one path of axum's router, so that it proves that the path is served.
    pub(crate) fn is_exact(self) -> bool {
        match self {
            Self::Named(_) => false,
            #[cfg(feature = "axum")]
            Self::Matched(path) => !path.as_str().contains('{'),
        }
    }

    /// Returns whether [`make_static`](Self::make_static) can succeed.
    pub(crate) fn may_be_static(self) -> bool {
        !matches!(self, Self::Named(Route(Cow::Owned(_))))
    }

    /// Makes sure that the template stays at its address for the life of the process, and returns whether it does.
    ///
    /// axum keeps one text for each of its routes and lends it to every request; a leaked clone keeps that text alive.
    pub(crate) fn make_static(self) -> bool {
        match self {
            Self::Named(_) => self.may_be_static(),
            #[cfg(feature = "axum")]
            Self::Matched(path) => {
                let leaked: &'static axum::extract::MatchedPath = Box::leak(Box::new(path.clone()));
                // A clone that copied its text would keep nothing at the original's address.
                std::ptr::eq(leaked.as_str(), path.as_str())
            }
        }
    }
}

/// Returns the template of the route that is known before the inner service is called.
pub(crate) fn template(extensions: &Extensions) -> Option<&str> {
    KnownRoute::of(extensions).map(KnownRoute::as_str)
}
