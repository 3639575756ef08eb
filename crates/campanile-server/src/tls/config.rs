//! The certificate and TLS configuration of a listener.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// The certificate and TLS configuration of a listener.
///
/// Cloning copies a pointer; clones are reloaded together.
#[derive(Clone)]
pub struct Tls {
    state: Arc<TlsState>,
}

struct TlsState {
    files: Option<PemFiles>,
    // Locked once per handshake, which costs a thousand times as much.
    current: RwLock<Arc<ServerConfig>>,
}

struct PemFiles {
    certificates: PathBuf,
    key: PathBuf,
}

/// Why a certificate could not be loaded.
#[derive(Debug)]
pub struct TlsError {
    path: PathBuf,
    kind: TlsErrorKind,
}

#[derive(Debug)]
enum TlsErrorKind {
    Pem(pem::Error),
    Rustls(rustls::Error),
}

impl Tls {
    /// Loads a certificate chain, the server's own certificate first, and its private key from PEM files.
    ///
    /// Supports TLS 1.2 and 1.3 by ring, and HTTP/2 and HTTP/1.1 by ALPN.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or has no certificate or key, or if key and certificate do not match.
    pub fn from_pem_files(
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, TlsError> {
        let files = PemFiles {
            certificates: certificates.into(),
            key: key.into(),
        };
        let current = RwLock::new(files.load()?);
        let files = Some(files);
        Ok(Self {
            state: Arc::new(TlsState { files, current }),
        })
    }

    /// Uses a rustls configuration, for client certificates, several names or another provider. Without `alpn_protocols`,
    /// only clients with prior knowledge use HTTP/2.
    #[must_use]
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self {
            state: Arc::new(TlsState {
                files: None,
                current: RwLock::new(config),
            }),
        }
    }

    /// Reloads the files, for the next handshakes. [`Server::run`](crate::Server::run) calls it on HUP. Does nothing after
    /// [`from_config`](Self::from_config), which has no files.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem_files`](Self::from_pem_files); the old configuration stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        if let Some(files) = &self.state.files {
            self.replace(files.load()?);
        }
        Ok(())
    }

    /// Replaces the configuration, for the next handshakes.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.state.current.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Returns whether [`reload`](Self::reload) reads files.
    pub(crate) fn has_files(&self) -> bool {
        self.state.files.is_some()
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        let current = self.state.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
}

impl PemFiles {
    fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let chain = CertificateDer::pem_file_iter(&self.certificates)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .and_then(|chain| {
                if chain.is_empty() {
                    Err(pem::Error::NoItemsFound)
                } else {
                    Ok(chain)
                }
            })
            .map_err(|error| TlsError::pem(&self.certificates, error))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| TlsError::pem(&self.key, error))?;
        // Explicit, since a program with two providers has no default one.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| TlsError {
                path: self.certificates.clone(),
                kind: TlsErrorKind::Rustls(error),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl TlsError {
    fn pem(path: &Path, error: pem::Error) -> Self {
        Self {
            path: path.to_owned(),
            kind: TlsErrorKind::Pem(error),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            TlsErrorKind::Pem(_) => write!(f, "cannot load {path}"),
            TlsErrorKind::Rustls(_) => write!(f, "cannot use the certificate in {path}"),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match &self.kind {
            TlsErrorKind::Pem(error) => error,
            TlsErrorKind::Rustls(error) => error,
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.state.files.as_ref();
        f.debug_struct("Tls")
            .field("certificates", &files.map(|files| &files.certificates))
            .field("key", &files.map(|files| &files.key))
            .finish()
    }
}
