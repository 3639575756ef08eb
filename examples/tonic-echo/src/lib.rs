//! The protocol that the server and the client of this example share.

/// What `build.rs` made of `proto/echo.proto`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    unreachable_pub,
    unused_qualifications,
    reason = "generated"
)]
pub mod protocol {
    tonic::include_proto!("echo.v1");
}
