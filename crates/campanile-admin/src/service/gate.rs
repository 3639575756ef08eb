//! Who may see and do what is private.
//!
//! Three questions, each of another attacker. Does the connection come from this machine or a network that was named, or does
//! the client know the token? Does the browser, if it is one, mean us by the name it used (a page of a stranger's can have its
//! own name resolve to this machine: DNS rebinding)? Does the request that changes something come from a page of our own (a
//! form of a stranger's page is sent from the user's machine)?

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

/// Who is let in.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    pub(crate) token: Option<String>,
    pub(crate) networks: Vec<IpNet>,
    pub(crate) hosts: Vec<String>,
    pub(crate) private_metrics: bool,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It comes from elsewhere, and a token would help.
    Token,
    /// It comes from elsewhere.
    Address,
    /// It means a host that is not us.
    Host,
    /// A page of another site sent it.
    Origin,
}

impl Gate {
    /// Asks whether this request may have the endpoint.
    pub(crate) fn check(&self, endpoint: Endpoint, parts: &Parts, peer: Option<Peer>) -> Result<(), Refusal> {
        let private = endpoint.is_private();
        if private && peer != Some(Peer::Unix) && !self.means_us(parts) {
            return Err(Refusal::Host);
        }
        let guarded = private || (self.private_metrics && endpoint == Endpoint::Metrics);
        if guarded && !self.is_near(peer) && !self.has_token(&parts.headers) {
            return Err(match self.token {
                Some(_) => Refusal::Token,
                None => Refusal::Address,
            });
        }
        if changes_something(&parts.method) && !is_same_origin(parts) {
            return Err(Refusal::Origin);
        }
        Ok(())
    }

    fn is_near(&self, peer: Option<Peer>) -> bool {
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

    /// Tells whether the host that the client means can be us. An address is: nobody's name was resolved to it.
    fn means_us(&self, parts: &Parts) -> bool {
        let Some(authority) = authority(parts) else {
            return false;
        };
        let host = authority.host();
        let name = host.strip_suffix('.').unwrap_or(host);
        let known = |known: &String| known.eq_ignore_ascii_case(name);
        is_address(host) || name.eq_ignore_ascii_case("localhost") || self.hosts.iter().any(known)
    }
}

/// Reads the token of `Bearer <token>`.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = value.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii())
}

/// Returns the host and port that the client means: of the target where it stands there, else of the one header `Host`.
fn authority(parts: &Parts) -> Option<Authority> {
    if let Some(authority) = parts.uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return None;
    };
    let authority = Authority::try_from(host.as_bytes()).ok()?;
    // Of `name@host` a browser means the second, and no browser sends it.
    (!authority.as_str().contains('@')).then_some(authority)
}

fn is_address(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bracketed {
        Some(host) => host.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok(),
    }
}

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Tells whether it comes from a page of our own, or from no browser at all.
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
    // Who ends TLS before us changes the scheme, and only that.
    let (of_page, port) = match origin.split_once("://") {
        Some(("http", authority)) => (authority, ":80"),
        Some(("https", authority)) => (authority, ":443"),
        _ => return false,
    };
    authority(parts).is_some_and(|ours| {
        let without_port = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
        without_port(ours.as_str()) == without_port(of_page)
    })
}
