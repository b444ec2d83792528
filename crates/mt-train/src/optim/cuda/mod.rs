//! Updates of values that lie on a card: one kernel for each parameter, where tensor operations launch a dozen.
//!
//! `kernels.cu` is the source of the kernels and `kernels.ptx` what `cargo xtask ptx` makes of it, so that only who changes
//! them needs NVIDIA's compiler. Their results are those of the CPU, to the last bit: the same operations in the same order,
//! fused where it fuses, with denormals flushed to zero. Nothing waits for the card.

#[cfg(feature = "cuda")]
mod launch;
#[cfg(all(test, target_arch = "x86_64"))]
mod on_host;

#[cfg(feature = "cuda")]
pub(super) use launch::{fits, run};

/// A kernel by its name, and its constants in the order of its arguments.
#[cfg(any(feature = "cuda", test))]
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    pub name: &'static str,
    pub constants: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{OptimizerConfig, OptimizerKind, average, rules::Rule};

    /// The types of the parameters of a kernel of `kernels.ptx`.
    fn parameters(kernel: &str) -> Vec<&'static str> {
        let (_, after) = include_str!("kernels.ptx")
            .split_once(&format!(".entry {kernel}("))
            .expect("a kernel of the name");
        let (list, _) = after.split_once(')').expect("closed");
        list.split(',').map(|parameter| parameter.split_whitespace().nth(1).expect("a type")).collect()
    }

    #[test]
    fn kernels_take_what_they_are_launched_with() {
        let kinds = [OptimizerKind::Adam, OptimizerKind::AdamW, OptimizerKind::Sgd, OptimizerKind::Adagrad];
        let rule = |kind| Rule::new(&OptimizerConfig { kind, ..OptimizerConfig::default() }, 0.1, 1);
        let rules = kinds.map(|kind| (rule(kind).kernel(), kind.state().len()));
        for (Kernel { name, constants }, state) in rules.into_iter().chain([(average::kernel(0.9), 0)]) {
            let expected = [&[".u64"; 3], &vec![".f32"; constants.len()][..], &vec![".u64"; state]].concat();
            assert_eq!(parameters(name), expected, "{name}");
        }
    }
}
