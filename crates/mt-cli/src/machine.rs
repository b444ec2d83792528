//! What the program runs on.

use mt_layers::pulp;

/// The processor's name where Linux says it, else its architecture.
pub fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    let named = pairs.find(|(key, _)| key.trim() == "model name");
    named.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// The instruction set that kernels are run with, as in `x86-64-v4`.
pub fn instructions() -> String {
    let level = format!("{:?}", pulp::Arch::new()).to_lowercase();
    let level = level.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
    format!("{}-{level}", std::env::consts::ARCH.replace('_', "-"))
}
