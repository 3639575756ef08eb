//! campanile-server.
