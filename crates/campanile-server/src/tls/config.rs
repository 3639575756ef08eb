//! What a listener shows to its clients.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

/// The certificate of a listener, and how TLS is spoken with it.
///
/// Cloning copies a pointer: clones are reloaded together.
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    files: Option<Files>,
    // Read once for each handshake, which costs a thousand times as much.
    current: RwLock<Arc<ServerConfig>>,
}

struct Files {
    certificates: PathBuf,
    key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug)]
pub struct TlsError {
    path: Option<PathBuf>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Pem(pem::Error),
    Rustls(rustls::Error),
}

impl Tls {
    /// Reads a chain of certificates, the server's own first, and its private key from files in PEM form.
    ///
    /// TLS 1.2 and 1.3 by ring; HTTP/2 and HTTP/1.1 by ALPN.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or holds nothing of its kind, or if key and certificate do not belong together.
    pub fn from_pem_files(
        certificates: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, TlsError> {
        let files = Files {
            certificates: certificates.into(),
            key: key.into(),
        };
        let current = RwLock::new(files.load()?);
        let files = Some(files);
        Ok(Self {
            shared: Arc::new(Shared { files, current }),
        })
    }

    /// Takes a configuration as it is, for client certificates, several names or another provider. Without
    /// `alpn_protocols` clients of HTTP/2 have to know by themselves that it is spoken.
    #[must_use]
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self {
            shared: Arc::new(Shared {
                files: None,
                current: RwLock::new(config),
            }),
        }
    }

    /// Reads the files again; handshakes from now on use what is in them. [`Server::run`](crate::Server::run) does it on
    /// HUP. One made by [`from_config`](Self::from_config) has no files, and stays as it is.
    ///
    /// # Errors
    ///
    /// Those of [`from_pem_files`](Self::from_pem_files). Then what was in use stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        if let Some(files) = &self.shared.files {
            self.replace(files.load()?);
        }
        Ok(())
    }

    /// Uses another configuration from the next handshake on.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self
            .shared
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        let current = self.shared.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
}

impl Files {
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
        // Named, since a program that has two providers has no default one.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| TlsError {
                path: Some(self.certificates.clone()),
                kind: Kind::Rustls(error),
            })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl TlsError {
    fn pem(path: &Path, error: pem::Error) -> Self {
        Self {
            path: Some(path.to_owned()),
            kind: Kind::Pem(error),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kind {
            Kind::Pem(_) => "nothing of its kind can be read",
            Kind::Rustls(_) => "the certificate cannot be used",
        })?;
        match &self.path {
            Some(path) => write!(f, ": {}", path.display()),
            None => Ok(()),
        }
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match &self.kind {
            Kind::Pem(error) => error,
            Kind::Rustls(error) => error,
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.shared.files.as_ref();
        f.debug_struct("Tls")
            .field("certificates", &files.map(|files| &files.certificates))
            .field("key", &files.map(|files| &files.key))
            .finish()
    }
}
