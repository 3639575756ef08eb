//! One handshake, in the connection's own task and time, and what becomes of those that fail.

use std::io;
use std::time::Duration;

use campanile_listen::{AcceptedStream, CountedIo, ListenerLabel};
use metrics::{Key, Label, Level, Metadata, Recorder};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::Error;
use tokio_rustls::server::TlsStream;

use super::Tls;
use crate::connection::Protocol;
use crate::names::{self, TLS_HANDSHAKE_ERRORS};

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// The TLS of one listener.
pub(crate) struct Terminator {
    tls: Tls,
    recorder: Option<&'static (dyn Recorder + Sync)>,
}

impl Tls {
    pub(crate) fn terminate(self, recorder: Option<&'static (dyn Recorder + Sync)>) -> Terminator {
        Terminator { tls: self, recorder }
    }
}

impl Terminator {
    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Shakes hands; tells what was agreed to be spoken, if anything was.
    pub(crate) async fn accept(
        &self,
        io: CountedIo<AcceptedStream>,
        listener: &ListenerLabel,
        limit: Duration,
    ) -> Option<(TlsStream<CountedIo<AcceptedStream>>, Option<Protocol>)> {
        let handshake = TlsAcceptor::from(self.tls.current()).accept(io);
        let error = match tokio::time::timeout(limit, handshake).await {
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
                kind_of(&error)
            }
            Err(_) => "timeout",
        };
        match self.recorder {
            Some(recorder) => count(recorder, listener, error),
            None => metrics::with_recorder(|recorder| count(recorder, listener, error)),
        }
        None
    }
}

/// Names what was wrong, by few words: a stranger chooses it.
fn kind_of(error: &io::Error) -> &'static str {
    let Some(inner) = error.get_ref() else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => "eof",
            _ => "io",
        };
    };
    match inner.downcast_ref::<Error>() {
        // The client does not like our certificate, for the most part.
        Some(Error::AlertReceived(_)) => "alert",
        Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => "incompatible",
        Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => "certificate",
        // Among others, HTTP in the clear.
        Some(_) => "protocol",
        None if error.kind() == io::ErrorKind::UnexpectedEof => "eof",
        None => "io",
    }
}

fn count(recorder: &dyn Recorder, listener: &ListenerLabel, error: &'static str) {
    let name = &TLS_HANDSHAKE_ERRORS;
    recorder.describe_counter(name.name.into(), Some(name.unit), name.help.into());
    let labels = vec![
        Label::new(names::ERROR, error),
        Label::new(names::LISTENER, listener.as_str().to_owned()),
    ];
    let key = Key::from_parts(name.name, labels);
    recorder.register_counter(&key, &METADATA).increment(1);
}
