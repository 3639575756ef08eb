//! Keeps what tonic knows of a connection.

use tonic::transport::server::Connected;

use crate::CountedIo;

/// Passes on the connect info of the wrapped IO, so that `Request::remote_addr` and the peer's certificates
/// stay.
impl<S: Connected> Connected for CountedIo<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.get_ref().connect_info()
    }
}
