//! Access control of private endpoints.
//!
//! Each check stops another attack. Remote clients: the connection must come from this machine or an allowed network, or the
//! request must carry the token. DNS rebinding, where a foreign page resolves its own name to this machine: `Host` must be an
//! address or an allowed name. Cross-site requests, where a foreign page submits a form or loads a resource from the user's
//! machine: a request with side effects, or for a private endpoint, must have the same origin. A link from another site may be
//! followed, in a window of its own.

use std::net::{IpAddr, Ipv6Addr};

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method};
use ipnet::IpNet;
use subtle::ConstantTimeEq;

use super::endpoint::Endpoint;
use crate::Peer;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The clients and host names that may access private endpoints.
#[derive(Clone, Default)]
pub(crate) struct AccessRules {
    pub(crate) token: Option<String>,
    pub(crate) networks: Vec<IpNet>,
    pub(crate) hosts: Vec<String>,
    pub(crate) private_metrics: bool,
}

/// Why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessDenied {
    /// The client is remote and sent no valid token.
    Token,
    /// The client is remote, and no token is configured.
    Address,
    /// The host is not an allowed one.
    Host,
    /// A page of another site sent the request.
    Origin,
}

impl AccessRules {
    /// Checks whether the request may access the endpoint.
    pub(crate) fn check(
        &self,
        endpoint: Endpoint,
        parts: &Parts,
        peer: impl FnOnce() -> Option<Peer>,
    ) -> Result<(), AccessDenied> {
        let private = endpoint.is_private();
        let guarded = private || (self.private_metrics && endpoint == Endpoint::Metrics);
        // Probes need none, and must not depend on the callback that finds it.
        let peer = if guarded { peer() } else { None };
        if private && peer != Some(Peer::Unix) && !self.is_allowed_host(parts) {
            return Err(AccessDenied::Host);
        }
        if guarded && !self.is_allowed_peer(peer) && !self.has_token(&parts.headers) {
            return Err(match self.token {
                Some(_) => AccessDenied::Token,
                None => AccessDenied::Address,
            });
        }
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        let is_checked = if is_read {
            private && !is_navigation(parts)
        } else {
            true
        };
        if is_checked && !is_same_origin(parts) {
            return Err(AccessDenied::Origin);
        }
        Ok(())
    }

    fn is_allowed_peer(&self, peer: Option<Peer>) -> bool {
        let Some(peer) = peer else {
            return false;
        };
        let in_network = |ip: IpAddr| self.networks.iter().any(|network| network.contains(&ip));
        peer.is_local() || matches!(peer, Peer::Ip(ip) if in_network(ip.to_canonical()))
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else {
            return false;
        };
        let sent = headers
            .get(AUTHORIZATION)
            .and_then(|value| bearer(value.as_bytes()));
        sent.is_some_and(|sent| sent.ct_eq(token.as_bytes()).into())
    }

    /// Addresses are always allowed: DNS rebinding needs a name.
    fn is_allowed_host(&self, parts: &Parts) -> bool {
        let Some(authority) = authority(parts) else {
            return false;
        };
        self.is_allowed_authority(&authority)
    }

    fn is_allowed_authority(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let name = host.strip_suffix('.').unwrap_or(host);
        is_address(host)
            || name.eq_ignore_ascii_case("localhost")
            || self
                .hosts
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

/// Returns the token of `Bearer <token>`.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii())
}

/// Returns the authority of the request target or of the `Host` header. Both must be the same if both are there: programs behind
/// each other may look at either.
fn authority(parts: &Parts) -> Option<Authority> {
    let target = parts.uri.authority().cloned();
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(Authority::try_from(host.as_bytes()).ok()?),
        (None, _) => None,
        (Some(_), Some(_)) => return None,
    };
    let authority = match (target, host) {
        (Some(target), Some(host)) => (target == host).then_some(target)?,
        (target, host) => target.or(host)?,
    };
    // Browsers never send user information, and parsers disagree about it.
    (!authority.as_str().contains('@')).then_some(authority)
}

/// Returns whether a browser loads the response into a window of its own, where the other site cannot read it.
fn is_navigation(parts: &Parts) -> bool {
    let is = |name, value: &str| parts.headers.get(name).is_some_and(|header| header == value);
    is(SEC_FETCH_MODE, "navigate") && is(SEC_FETCH_DEST, "document")
}

fn is_address(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bracketed {
        Some(host) => host.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok(),
    }
}

/// Returns whether the request comes from our own page or from a program that is not a browser.
fn is_same_origin(parts: &Parts) -> bool {
    let mut sites = parts.headers.get_all(SEC_FETCH_SITE).iter();
    if !sites.all(|site| site == "same-origin" || site == "none") {
        return false;
    }
    let mut origins = parts.headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return true;
    };
    let (Ok(origin), None) = (origin.to_str(), origins.next()) else {
        return false;
    };
    // The scheme may differ: a proxy may terminate TLS.
    let (origin, default_port) = match origin.split_once("://") {
        Some(("http", authority)) => (authority, ":80"),
        Some(("https", authority)) => (authority, ":443"),
        _ => return false,
    };
    authority(parts).is_some_and(|host| {
        let without_port = |text: &str| {
            text.strip_suffix(default_port)
                .unwrap_or(text)
                .to_ascii_lowercase()
        };
        without_port(host.as_str()) == without_port(origin)
    })
}
