//! Looks names up, and keeps the code of a failure.

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

/// Looks names up by `getaddrinfo`, on a blocking thread of tokio's.
///
/// As hyper-util's own, but an error has a [`LookupError`] inside that knows the code. The standard library keeps the
/// text of it only.
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
    type Response = Addresses;
    type Error = io::Error;
    type Future = Resolving;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Resolving {
        Resolving(tokio::task::spawn_blocking(move || look_up(name.as_str())))
    }
}

fn look_up(name: &str) -> io::Result<Addresses> {
    match dns_lookup::lookup_host(name) {
        Ok(found) => Ok(Addresses(found.collect::<Vec<_>>().into_iter())),
        Err(error) => {
            let (number, error) = (error.error_num(), io::Error::from(error));
            // EAI_SYSTEM is one of errno's, and zero none of the resolver's: those are errors of their own.
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

/// The addresses of a name. Their port is zero: the connector sets it.
#[derive(Debug)]
pub struct Addresses(vec::IntoIter<IpAddr>);

impl Iterator for Addresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        self.0.next().map(|address| SocketAddr::new(address, 0))
    }
}

/// The future of [`Resolver`]. Dropped, it leaves the look-up that has begun to its thread.
#[derive(Debug)]
pub struct Resolving(JoinHandle<io::Result<Addresses>>);

impl Future for Resolving {
    type Output = io::Result<Addresses>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(result) => result,
            Err(gone) => Err(io::Error::new(io::ErrorKind::Interrupted, gone)),
        })
    }
}

/// A name could not be looked up. Stands inside the [`io::Error`] of [`Resolver`].
#[derive(Debug)]
pub struct LookupError {
    number: i32,
    text: String,
}

impl LookupError {
    /// Returns the name of the code, such as `EAI_NONAME`; `other` for one that no table has.
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
