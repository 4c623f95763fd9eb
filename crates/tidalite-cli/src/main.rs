//! The command `tidalite`.

mod demo;
mod draw;
mod table;
mod telemetry;

fn main() {}
