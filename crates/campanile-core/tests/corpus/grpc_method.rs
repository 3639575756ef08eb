//! Properties of gRPC method names of any paths.

use campanile_core::grpc;

/// Takes the name of a method from a path, or rejects it.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(path) = std::str::from_utf8(bytes) else {
        return;
    };
    let valid = is_method_path(bytes);
    let Some(name) = grpc::method_name(path) else {
        assert!(!valid, "{path:?} is rejected");
        return;
    };
    assert!(valid, "{path:?} is accepted");
    // Borrowed from the path: all of it but the slash before it.
    assert!(std::ptr::eq(name, &path[1..]));
    assert!((3..=128).contains(&name.len()), "{name:?}");
    assert_eq!(name.matches('/').count(), 1, "{name:?}");
    // A name is valid again as a path, and nothing can be appended to it that makes two names of it.
    assert_eq!(grpc::method_name(&format!("/{name}")), Some(name));
    for suffix in ["/", "/x", "?x", " ", "\n", "\""] {
        assert_eq!(grpc::method_name(&format!("/{name}{suffix}")), None);
    }
    assert_eq!(grpc::method_name(name), None);
}

/// States the form byte by byte, unlike the implementation: `/`, words and dots, `/`, a word.
fn is_method_path(path: &[u8]) -> bool {
    let mut parts = path.split(|byte| *byte == b'/');
    let form = [parts.next(), parts.next(), parts.next(), parts.next()];
    let [Some([]), Some(service @ [_, ..]), Some(method @ [_, ..]), None] = form else {
        return false;
    };
    let in_word = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_');
    path.len() <= 129
        && service.iter().all(|byte| in_word(byte) || *byte == b'.')
        && method.iter().all(in_word)
}
