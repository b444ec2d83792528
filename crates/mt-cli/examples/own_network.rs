//! `mt` with a network of its own, as another team would build it.

use std::process::ExitCode;

use mt_models::{Registry, testing};

fn main() -> ExitCode {
    mt_cli::main(Registry::default().with("product", testing::product))
}
