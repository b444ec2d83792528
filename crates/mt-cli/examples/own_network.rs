//! `mt` with a network and a loss of its own, as another team would build it.

use std::process::ExitCode;

use mt_models::{Registry, testing};

fn main() -> ExitCode {
    let registry = Registry::default().with("product", testing::product);
    mt_cli::main(registry.with_loss("softplus", testing::softplus))
}
