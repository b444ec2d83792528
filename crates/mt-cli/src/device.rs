//! `--device`.

use anyhow::{Context, Result};
use candle_core::Device;

use crate::args::Usage;

/// The device of a name like `cpu`, `cuda` or `cuda:1`.
pub fn device(name: &str) -> Result<Device> {
    let number = match name.split_once(':') {
        _ if name == "cpu" => return Ok(Device::Cpu),
        None if name == "cuda" => Some(0),
        Some(("cuda", number)) => number.parse().ok(),
        _ => None,
    };
    let number = number.ok_or_else(|| Usage(format!("--device {name}: expected cpu, cuda or cuda:N")))?;
    if !candle_core::utils::cuda_is_available() {
        return Err(Usage(
            "--device cuda: this program was built without CUDA (cargo feature `cuda`)".into(),
        )
        .into());
    }
    Device::new_cuda(number).with_context(|| format!("cannot use {name}"))
}
