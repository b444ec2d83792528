//! The `mt` binary.
fn main() {}
