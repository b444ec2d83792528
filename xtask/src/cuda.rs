//! The CUDA feature, type-checked: it needs a toolkit (`nvcc`, headers, link-time stubs), but no card.

use crate::command::{self, command, succeeds};
use anyhow::{Result, ensure};

/// Checks everything that the feature compiles, tests included; says what is missing where there is no toolkit.
pub fn check() -> Result<()> {
    ensure!(
        succeeds(&mut command("nvcc --version")),
        "no nvcc on the path: install a CUDA toolkit (12.8 or newer), or put its wheels (nvidia-cuda-nvcc and those it needs) \
         into a Python environment and set CUDA_HOME, CUDA_COMPUTE_CAP and PATH to it"
    );
    let line = "cargo clippy --workspace --all-targets --locked --features mt-cli/cuda -- -D warnings";
    println!("$ {line}");
    command::run(&mut command(line))
}
