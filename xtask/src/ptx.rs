//! CUDA kernels compiled to PTX, the portable assembly that lies beside their source, so that building needs no NVIDIA
//! compiler for them and that a card's driver can translate them for itself.

use crate::command::{command, output, run};
use crate::dataset::sha256;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Each folder holds `kernels.cu` and the `kernels.ptx` made from it.
const FOLDERS: [&str; 1] = ["crates/mt-train/src/optim/cuda"];

/// For every card from A100 on; denormals flushed and nothing fused on its own, as on the CPU; exact division and root.
const COMPILE: &str = "nvcc -ptx -arch=compute_80 -ftz=true -fmad=false -prec-div=true -prec-sqrt=true";

/// The oldest PTX that knows such cards: a driver refuses newer PTX than itself, and the kernels need nothing newer.
const VERSION: &str = ".version 7.0";

/// Compiles every folder's kernels with the `nvcc` on the path, and lets `ptxas` translate them as a driver would.
pub fn make() -> Result<()> {
    for folder in FOLDERS.map(Path::new) {
        let (source, made) = (folder.join("kernels.cu"), folder.join("kernels.ptx"));
        let text = output(command(COMPILE).arg("-o").arg("-").arg(&source))?;
        let lines =
            text.lines().map(|line| if line.starts_with(".version ") { VERSION } else { line.trim_end() });
        let text = lines.fold(header(&source)?, |text, line| text + line + "\n");
        fs::write(&made, text).with_context(|| format!("can't write {}", made.display()))?;
        for card in ["sm_80", "sm_90"] {
            run(command("ptxas --output-file /dev/null --gpu-name").arg(card).arg(&made))?;
        }
    }
    Ok(())
}

/// Folders whose PTX was made from another source or in another way, a clickable line each.
pub fn check() -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for folder in FOLDERS.map(Path::new) {
        let (source, made) = (folder.join("kernels.cu"), folder.join("kernels.ptx"));
        let text = fs::read_to_string(&made).with_context(|| format!("can't read {}", made.display()))?;
        if !text.starts_with(&header(&source)?) {
            broken.push(format!("{}:1: not made from kernels.cu as it is: cargo xtask ptx", made.display()));
        }
    }
    Ok(broken)
}

/// The first line of PTX: from what, and how, it was made.
fn header(source: &Path) -> Result<String> {
    Ok(format!("// {COMPILE}, of the source with sha256 {}\n", sha256(source)?))
}
