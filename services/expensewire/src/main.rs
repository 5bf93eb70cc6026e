//! The `expensewire` program.
fn main() {}
