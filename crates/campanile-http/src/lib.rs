//! campanile-http.
