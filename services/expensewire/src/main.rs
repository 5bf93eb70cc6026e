//! The `expensewire` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    expensewire::main()
}
