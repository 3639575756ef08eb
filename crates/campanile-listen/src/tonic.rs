//! Connection info for tonic.

use tonic::transport::server::Connected;
#[cfg(unix)]
use tonic::transport::server::TcpConnectInfo;

use crate::CountedIo;

/// Returns the connect info of the wrapped IO, so that `Request::remote_addr` and peer certificates keep working.
impl<S: Connected> Connected for CountedIo<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.get_ref().connect_info()
    }
}

/// Returns the addresses of a TCP connection; both are `None` for a unix socket.
#[cfg(unix)]
impl Connected for crate::AcceptedStream {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        TcpConnectInfo {
            local_addr: self.local_addr().ok(),
            remote_addr: self.peer_addr().ok(),
        }
    }
}
