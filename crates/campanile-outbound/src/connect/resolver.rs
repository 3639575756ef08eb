//! Name resolution that keeps the error code of `getaddrinfo`.

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use hyper_util::client::legacy::connect::dns::Name;
use tokio::task::JoinHandle;
use tower_service::Service;

use crate::failure;

/// Resolves names with `getaddrinfo` on tokio's blocking threads.
///
/// Like hyper-util's `GaiResolver`, but its errors contain a [`LookupError`] with the error code, of which the standard
/// library keeps the text only.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Resolver;

impl Resolver {
    /// Makes a resolver.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Service<Name> for Resolver {
    type Response = ResolvedAddresses;
    type Error = io::Error;
    type Future = ResolveFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> ResolveFuture {
        ResolveFuture(tokio::task::spawn_blocking(move || look_up(name.as_str())))
    }
}

fn look_up(name: &str) -> io::Result<ResolvedAddresses> {
    match dns_lookup::lookup_host(name) {
        Ok(found) => Ok(ResolvedAddresses(found.collect::<Vec<_>>().into_iter())),
        Err(error) => {
            let (number, error) = (error.error_num(), io::Error::from(error));
            // Zero and `EAI_SYSTEM`, which stands for errno, are no errors of the resolver.
            if number == 0 || error.raw_os_error().is_some() {
                return Err(error);
            }
            let text = error.to_string();
            Err(io::Error::new(
                io::ErrorKind::NotFound,
                LookupError { number, text },
            ))
        }
    }
}

/// The addresses of a name. Their port is zero; the connector sets it.
#[derive(Debug)]
pub struct ResolvedAddresses(vec::IntoIter<IpAddr>);

impl Iterator for ResolvedAddresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        self.0.next().map(|address| SocketAddr::new(address, 0))
    }
}

/// The future of [`Resolver`]. Dropping it does not stop a lookup that runs on its thread.
#[derive(Debug)]
pub struct ResolveFuture(JoinHandle<io::Result<ResolvedAddresses>>);

impl Future for ResolveFuture {
    type Output = io::Result<ResolvedAddresses>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(result) => result,
            Err(error) => Err(io::Error::new(io::ErrorKind::Interrupted, error)),
        })
    }
}

/// A failed name resolution. The inner error of the [`io::Error`] of [`Resolver`].
#[derive(Debug)]
pub struct LookupError {
    number: i32,
    text: String,
}

impl LookupError {
    /// Returns the name of the error code, such as `EAI_NONAME`; `other` if the code is unknown.
    #[must_use]
    pub fn code(&self) -> &'static str {
        failure::eai_name(self.number)
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for LookupError {}
