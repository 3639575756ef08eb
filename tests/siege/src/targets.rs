//! Where clients connect: the listeners, which outlive every server process, and the admin port of the newest one.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, net::UnixListener},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream, UnixStream},
    sync::watch,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, crypto,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::serve::certificate;

const BACKLOG: i32 = 4096;
/// A small receive buffer, so that a client that does not read stops the server soon.
const RECEIVE_BUFFER: u32 = 4096;

/// A connection of any kind.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A boxed connection.
pub type Stream = Box<dyn Io>;

/// A listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "the listeners of the server under siege")]
pub enum Target {
    /// HTTP over TCP.
    Plain,
    /// HTTP over TLS.
    Tls,
    /// HTTP over a unix socket.
    Unix,
    /// The admin port.
    Admin,
}

/// The listeners and their addresses.
#[derive(Debug)]
pub struct Targets {
    tcp: TcpListener,
    tls: TcpListener,
    unix: UnixListener,
    unix_path: PathBuf,
    folder: PathBuf,
    h1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
    admin: watch::Sender<Option<SocketAddr>>,
}

impl Targets {
    /// Binds all listeners.
    ///
    /// # Errors
    ///
    /// If one cannot be bound, or the certificate cannot be read.
    pub fn bind(folder: &Path) -> io::Result<Self> {
        let unix_path = folder.join("socket");
        Ok(Self {
            tcp: bind_tcp()?,
            tls: bind_tcp()?,
            unix: bind_unix(&unix_path)?,
            unix_path,
            folder: folder.to_owned(),
            h1: client_config(b"http/1.1")?,
            h2: client_config(b"h2")?,
            admin: watch::Sender::new(None),
        })
    }

    /// Returns duplicates of the listeners for TCP, TLS and unix.
    ///
    /// # Errors
    ///
    /// If there are too many open files.
    pub fn listeners(&self) -> io::Result<[OwnedFd; 3]> {
        Ok([
            self.tcp.try_clone()?.into(),
            self.tls.try_clone()?.into(),
            self.unix.try_clone()?.into(),
        ])
    }

    /// Sets the admin address of the newest process.
    pub fn set_admin(&self, address: Option<SocketAddr>) {
        self.admin.send_replace(address);
    }

    /// Returns the address of the plain listener.
    ///
    /// # Errors
    ///
    /// If the system does not return it.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Connects as a good client.
    ///
    /// # Errors
    ///
    /// Errors of the connection and the handshake.
    pub async fn connect(&self, target: Target, h2: bool) -> io::Result<Stream> {
        let address = match target {
            Target::Unix => return Ok(Box::new(UnixStream::connect(&self.unix_path).await?)),
            target => self.socket_address(target)?,
        };
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        self.secure(target, h2, stream).await
    }

    /// Connects as an attacker, with a small receive buffer; dropping a TCP connection resets it.
    ///
    /// # Errors
    ///
    /// Errors of the connection and the handshake.
    pub async fn attack(&self, target: Target, h2: bool) -> io::Result<Stream> {
        if target == Target::Unix {
            return self.connect(target, h2).await;
        }
        let stream = self.attack_raw(target).await?;
        self.secure(target, h2, stream).await
    }

    /// Connects as an attacker by TCP, without a TLS handshake.
    ///
    /// # Errors
    ///
    /// Errors of the connection, and if the target is the unix socket.
    pub async fn attack_raw(&self, target: Target) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        let stream = socket.connect(self.socket_address(target)?).await?;
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Connects to the unix socket from a socket with this name.
    ///
    /// # Errors
    ///
    /// Errors of the connection.
    pub async fn attack_named(&self, name: &[u8]) -> io::Result<Stream> {
        let path = self.folder.join(std::ffi::OsStr::from_bytes(name));
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(&path)?)?;
        let connected = socket.connect(&SockAddr::unix(&self.unix_path)?);
        std::fs::remove_file(&path)?;
        connected?;
        socket.set_nonblocking(true)?;
        let socket = std::os::unix::net::UnixStream::from(OwnedFd::from(socket));
        // Until here without a yield: the accept queue is far larger than the number of these clients.
        tokio::task::yield_now().await;
        Ok(Box::new(UnixStream::from_std(socket)?))
    }

    fn socket_address(&self, target: Target) -> io::Result<SocketAddr> {
        match target {
            Target::Plain => self.tcp.local_addr(),
            Target::Tls => self.tls.local_addr(),
            Target::Admin => (*self.admin.borrow()).ok_or_else(|| io::Error::other("no admin port")),
            Target::Unix => Err(io::Error::other("not a TCP listener")),
        }
    }

    async fn secure(&self, target: Target, h2: bool, stream: TcpStream) -> io::Result<Stream> {
        if target != Target::Tls {
            return Ok(Box::new(stream));
        }
        let config = if h2 { &self.h2 } else { &self.h1 };
        let name = ServerName::try_from("localhost").expect("the name is valid");
        let connector = TlsConnector::from(Arc::clone(config));
        Ok(Box::new(connector.connect(name, stream).await?))
    }
}

fn bind_tcp() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let any_port: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    socket.bind(&any_port.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(UnixListener::from(OwnedFd::from(socket)))
}

fn client_config(protocol: &[u8]) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(certificate("first.pem")).map_err(io::Error::other)?;
    roots.add(certificate).map_err(io::Error::other)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}
