//! Accepts the TLS handshakes of one listener.

use std::io;
use std::time::Duration;

use campanile_listen::{AcceptedStream, CountedIo, ListenerLabel};
use campanile_metrics::RecorderHandle;
use metrics::{Counter, Label};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::Error;
use tokio_rustls::server::TlsStream;

use super::Tls;
use crate::connection::Protocol;
use crate::metrics::TLS_HANDSHAKE_ERRORS;

/// The TLS side of one listener.
pub(crate) struct TlsTerminator {
    tls: Tls,
    recorder: RecorderHandle,
}

impl Tls {
    pub(crate) fn terminator(self, recorder: RecorderHandle) -> TlsTerminator {
        TlsTerminator { tls: self, recorder }
    }
}

impl TlsTerminator {
    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Performs the handshake; returns the stream and the protocol chosen by ALPN. Failures are counted and logged.
    pub(crate) async fn accept(
        &self,
        io: CountedIo<AcceptedStream>,
        listener: &ListenerLabel,
        timeout: Duration,
    ) -> Option<(TlsStream<CountedIo<AcceptedStream>>, Option<Protocol>)> {
        let handshake = TlsAcceptor::from(self.tls.current()).accept(io);
        let error = match tokio::time::timeout(timeout, handshake).await {
            Ok(Ok(stream)) => {
                let protocol = match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => Some(Protocol::Http2),
                    Some(b"http/1.1") => Some(Protocol::Http1),
                    _ => None,
                };
                return Some((stream, protocol));
            }
            Ok(Err(error)) => {
                tracing::debug!(listener = listener.as_str(), %error, "TLS handshake failed");
                error_label(&error)
            }
            Err(_) => "timeout",
        };
        self.recorder.with(|recorder| {
            let labels = vec![
                Label::new("error", error),
                Label::new("listener", listener.as_str().to_owned()),
            ];
            let counter: Counter = TLS_HANDSHAKE_ERRORS.register(recorder, labels);
            counter.increment(1);
        });
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
