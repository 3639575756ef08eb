//! Keeps what tonic knows of a connection.

use tonic::transport::server::Connected;
#[cfg(unix)]
use tonic::transport::server::TcpConnectInfo;

use crate::CountedIo;

/// Passes on the connect info of the wrapped IO, so that `Request::remote_addr` and the peer's certificates
/// stay.
impl<S: Connected> Connected for CountedIo<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.get_ref().connect_info()
    }
}

/// The addresses of a TCP connection; those of a unix socket have none.
#[cfg(unix)]
impl Connected for crate::Socket {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        TcpConnectInfo {
            local_addr: self.local_addr().ok(),
            remote_addr: self.peer_addr().ok(),
        }
    }
}
