//! The endpoints, their paths and methods.

use http::Method;

/// An endpoint of the admin port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Page,
    Live,
    Metrics,
    Livez,
    Readyz,
    Health,
    Ping,
    Check,
    Config,
    Requests,
    LogLevel,
    Drain,
}

impl Endpoint {
    /// Returns the endpoint at this path.
    pub(crate) fn from_path(path: &str) -> Option<Self> {
        // As in talisker, a trailing slash is ignored here.
        if let Some(status) = path.strip_prefix("/_status/") {
            return match status.strip_suffix('/').unwrap_or(status) {
                "ping" => Some(Self::Ping),
                "check" => Some(Self::Check),
                "metrics" => Some(Self::Metrics),
                "info/config" => Some(Self::Config),
                _ => None,
            };
        }
        match path {
            "/" => Some(Self::Page),
            "/live" => Some(Self::Live),
            "/metrics" => Some(Self::Metrics),
            "/livez" => Some(Self::Livez),
            "/readyz" => Some(Self::Readyz),
            "/health" => Some(Self::Health),
            "/requests" => Some(Self::Requests),
            "/log-level" => Some(Self::LogLevel),
            "/drain" => Some(Self::Drain),
            _ => None,
        }
    }

    /// Returns the allowed methods, as the value of `Allow`.
    pub(crate) const fn allow(self) -> &'static str {
        match self {
            Self::Drain => "POST",
            Self::LogLevel => "GET, HEAD, PUT",
            _ => "GET, HEAD",
        }
    }

    /// Returns whether the method is allowed.
    pub(crate) fn allows(self, method: &Method) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method.as_str())
    }

    /// Returns whether the endpoint reveals or changes internals of the service.
    pub(crate) const fn is_private(self) -> bool {
        matches!(
            self,
            Self::Page | Self::Live | Self::Config | Self::Requests | Self::LogLevel | Self::Drain
        )
    }

    /// Returns whether the endpoint is part of [`Admin::probes`](crate::Admin::probes), for the application's own port.
    pub(crate) const fn is_mountable(self) -> bool {
        matches!(self, Self::Health | Self::Ping | Self::Check)
    }

    /// Returns whether the endpoint is a probe, which closes its connection while the service drains.
    pub(crate) const fn is_probe(self) -> bool {
        matches!(
            self,
            Self::Livez | Self::Readyz | Self::Health | Self::Ping | Self::Check
        )
    }
}
