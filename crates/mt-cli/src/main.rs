//! `mt`: multi-task ranking models from the command line.

use std::process::ExitCode;

use mt_models::Registry;

// Keeps freed memory: the C library's allocator maps and unmaps each large block anew, and the page faults of a
// training step cost more than its arithmetic.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mt_cli::main(Registry::default())
}
