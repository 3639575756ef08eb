//! Which path is what, which methods it takes, and who may ask.

use http::Method;

/// What a path means.
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
    /// Returns what the path means.
    pub(crate) fn of(path: &str) -> Option<Self> {
        // Those of talisker ignore one slash at the end.
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

    /// Returns the methods, as `Allow` spells them.
    pub(crate) const fn allow(self) -> &'static str {
        match self {
            Self::Drain => "POST",
            Self::LogLevel => "GET, HEAD, PUT",
            _ => "GET, HEAD",
        }
    }

    /// Tells whether this method is one of them.
    pub(crate) fn allows(self, method: &Method) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method.as_str())
    }

    /// Tells whether it shows or changes what is nobody else's business.
    pub(crate) const fn is_private(self) -> bool {
        matches!(
            self,
            Self::Page | Self::Live | Self::Config | Self::Requests | Self::LogLevel | Self::Drain
        )
    }

    /// Tells whether it may be mounted in the application.
    pub(crate) const fn is_public(self) -> bool {
        matches!(self, Self::Health | Self::Ping | Self::Check)
    }

    /// Tells whether it is a probe, whose client should ask anew over another connection once the service drains.
    pub(crate) const fn is_probe(self) -> bool {
        matches!(
            self,
            Self::Livez | Self::Readyz | Self::Health | Self::Ping | Self::Check
        )
    }
}
