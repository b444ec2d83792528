//! `--device`.

use anyhow::{Context, Result};
use candle_core::{Device, DeviceLocation};

use crate::args::Usage;

/// What `--device` calls it.
pub fn name(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => "cpu".into(),
        DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

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
