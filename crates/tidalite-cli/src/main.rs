//! The command `tidalite`.
fn main() {}
