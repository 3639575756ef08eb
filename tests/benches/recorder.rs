//! What the recorder costs.
fn main() {}
