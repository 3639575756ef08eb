//! campanile-client.
