//! `expensewire` itself, built with the tests so that they need no other build.

use std::process::ExitCode;

fn main() -> ExitCode {
    expensewire::main()
}
