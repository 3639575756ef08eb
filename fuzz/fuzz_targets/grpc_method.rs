//! The name of a gRPC method is a bounded part of the path, or absent.
#![no_main]

#[path = "../../crates/campanile-core/tests/corpus/grpc_method.rs"]
mod grpc_method;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| grpc_method::check(bytes));
