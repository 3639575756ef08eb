//! Accepts the TLS handshakes of one listener.

use std::io;
use std::time::Duration;

use campanile_listen::{AcceptedStream, CountedIo};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::Error;
use tokio_rustls::server::TlsStream;

use super::Tls;
use crate::connection::{self, Protocol};
use crate::log::chain;
use crate::metrics::ListenerMetrics;

/// The TLS side of one listener.
pub(crate) struct TlsTerminator {
    tls: Tls,
}

impl TlsTerminator {
    pub(crate) fn new(tls: Tls) -> Self {
        Self { tls }
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Performs the handshake; returns the stream and the protocol chosen by ALPN. Failures are counted and logged.
    pub(crate) async fn accept(
        &self,
        io: CountedIo<AcceptedStream>,
        metrics: &ListenerMetrics,
        timeout: Duration,
    ) -> Option<(TlsStream<CountedIo<AcceptedStream>>, Option<Protocol>)> {
        let handshake = TlsAcceptor::from(self.tls.current()).accept(io);
        let error = match connection::timeout(timeout, handshake).await {
            Some(Ok(stream)) => {
                let protocol = match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => Some(Protocol::Http2),
                    Some(b"http/1.1") => Some(Protocol::Http1),
                    _ => None,
                };
                return Some((stream, protocol));
            }
            Some(Err(error)) => {
                tracing::debug!(listener = metrics.listener(), error = %chain(&error), "TLS handshake failed");
                error_label(&error)
            }
            None => "timeout",
        };
        metrics.count_tls_handshake_error(error);
        None
    }
}

/// Returns a label value from a closed set, since clients choose how a handshake fails.
fn error_label(error: &io::Error) -> &'static str {
    let Some(inner) = error.get_ref() else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => "eof",
            _ => "io",
        };
    };
    match inner.downcast_ref::<Error>() {
        // Mostly a client that rejects the server's certificate.
        Some(Error::AlertReceived(_)) => "alert",
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => "incompatible",
        Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => "certificate",
        // Among others, plain HTTP.
        Some(_) => "protocol",
        None if error.kind() == io::ErrorKind::UnexpectedEof => "eof",
        None => "io",
    }
}
