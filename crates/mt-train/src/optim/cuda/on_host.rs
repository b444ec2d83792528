//! The kernels' source compiled for the CPU, beside the CPU's own rules.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use candle_core::{DType, Device, Result, Tensor};
use mt_layers::{Gradient, Params};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::Kernel;
use crate::optim::rules::Rule;
use crate::optim::{OptimizerConfig, OptimizerKind, Values, average};

/// Stands in for the card: every thread of a grid in turn, on numbers read from standard input.
const HARNESS: &str = r#"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct { unsigned x; } blockIdx, blockDim = {7}, gridDim = {3}, threadIdx;
#define KERNEL static
#include "kernels.cu"

static float *take(size_t n)
{
    float *numbers = malloc(n * sizeof(float));
    if (numbers == NULL || fread(numbers, sizeof(float), n, stdin) != n) exit(1);
    return numbers;
}

int main(int argc, char **argv)
{
    if (argc != 3) return 1;
    __builtin_ia32_ldmxcsr(0x9fc0); // denormals flushed, every exception masked
    const char *name = argv[1];
    size_t n = strtoull(argv[2], NULL, 10);
    float *c = take(9), *values = take(n), *followed = take(n), *a = take(n), *b = take(n);
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
        for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) {
            if (strcmp(name, "adam") == 0)
                adam(n, values, followed, c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], a, b);
            else if (strcmp(name, "sgd") == 0) sgd(n, values, followed, c[0], c[1], c[2], a);
            else if (strcmp(name, "adagrad") == 0) adagrad(n, values, followed, c[0], c[1], c[2], a);
            else if (strcmp(name, "average") == 0) average(n, values, followed, c[0], c[1]);
            else return 1;
        }
    }
    fwrite(values, sizeof(float), n, stdout);
    fwrite(a, sizeof(float), n, stdout);
    fwrite(b, sizeof(float), n, stdout);
    return 0;
}
"#;

/// Compiles the kernels; fusing nothing but what they say, as for the card.
fn compile(folder: &Path) -> PathBuf {
    let (source, program) = (folder.join("harness.c"), folder.join("harness"));
    fs::write(&source, HARNESS).expect("written");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let mut cc = Command::new(compiler);
    cc.args(["-std=gnu99", "-O2", "-ffp-contract=off", "-fno-math-errno", "-I"]);
    cc.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/optim/cuda")).arg("-o").arg(&program).arg(&source);
    let status = cc.arg("-lm").status().expect("a C compiler, as a linker is one");
    assert!(status.success(), "{cc:?}");
    program
}

/// What the kernel makes of values and state.
fn run(
    program: &Path,
    kernel: &Kernel,
    values: &[f32],
    followed: &[f32],
    state: &[Vec<f32>],
) -> Vec<Vec<f32>> {
    let n = values.len();
    let mut constants = kernel.constants.clone();
    constants.resize(9, f32::NAN);
    let nothing = vec![f32::NAN; n];
    let kept = |i: usize| state.get(i).unwrap_or(&nothing).as_slice();
    let numbers = [&constants, values, followed, kept(0), kept(1)].concat();
    let mut harness = Command::new(program);
    harness.arg(kernel.name).arg(n.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = harness.spawn().expect("starts");
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    child.stdin.take().expect("piped").write_all(&bytes).expect("read by the harness");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{} ended with {}", kernel.name, output.status);
    let (numbers, rest) = output.stdout.as_chunks::<4>();
    assert!(rest.is_empty());
    let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    numbers.chunks(n).take(1 + state.len()).map(<[f32]>::to_vec).collect()
}

/// Numbers of both signs and of all sizes from `2^least` on to 2^`most`.
fn draw(rng: &mut ChaCha8Rng, n: usize, least: i32, most: i32) -> Vec<f32> {
    let mut number = || {
        let size = least + (rng.next_u32() % (most - least) as u32) as i32;
        let (fraction, sign) = (1.0 + f64::from(rng.next_u32()) / 4294967296.0, rng.next_u32() % 2);
        (fraction * 2f64.powi(size) * (1.0 - 2.0 * f64::from(sign))) as f32
    };
    (0..n).map(|_| number()).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// Enough for a thread of the grid to take many, and no multiple of it; below what the CPU shares among threads.
const VALUES: usize = 50_001;

#[test]
fn every_rule_gives_the_same_bits_as_the_cpu() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = compile(folder.path());
    let kinds = [OptimizerKind::Adam, OptimizerKind::AdamW, OptimizerKind::Sgd, OptimizerKind::Adagrad];
    for (kind, decay) in kinds.into_iter().flat_map(|kind| [(kind, None), (kind, Some(0.03))]) {
        let momentum = (kind == OptimizerKind::Sgd && decay.is_some()).then_some(0.9);
        let cfg =
            OptimizerConfig { kind, lr: 0.01, weight_decay: decay, momentum, ..OptimizerConfig::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut cpu = draw(&mut rng, VALUES, -20, 10);
        let mut card = cpu.clone();
        let mut kept = vec![vec![0f32; VALUES]; kind.state().len()];
        let mut state: Vec<_> = kept.iter().cloned().map(Values::Host).collect();
        for step in 1..=4 {
            // Squares of the smaller gradients are denormal, and so are their steps; not `(1 - β₁)` of them, see `Least`.
            let host = draw(&mut rng, VALUES, -122, 20);
            let rule = Rule::new(&cfg, cfg.lr, step * step);
            let mut after = run(&program, &rule.kernel(), &card, &host, &kept);
            let mut gradient = Gradient { host, ..Gradient::default() };
            rule.on_host(&mut cpu, VALUES, &mut gradient, &mut state);
            (card, kept) = (after.remove(0), after);
            assert_eq!(bits(&cpu), bits(&card), "{kind:?}, step {step}");
            for (cpu, card) in state.iter().zip(&kept) {
                let Values::Host(cpu) = cpu else { panic!("kept on the host") };
                assert_eq!(bits(cpu), bits(card), "state of {kind:?}, step {step}");
            }
        }
    }
}

#[test]
fn averaged_weights_have_the_same_bits_as_on_the_cpu() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let program = compile(folder.path());
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let drawn = [draw(&mut rng, VALUES, -126, 10), draw(&mut rng, VALUES, -126, 10)];
    let (averages, params) = (Params::new(1), Params::new(1));
    for (store, values) in [&averages, &params].into_iter().zip(&drawn) {
        store.builder(DType::F32, &Device::Cpu).get(VALUES, "a")?;
        store.all()[0].var.set(&Tensor::from_slice(values, VALUES, &Device::Cpu)?)?;
    }
    let decay = 0.75;
    average::average(&averages, &params.all(), decay.into(), 1_000_000)?;
    let card = run(&program, &average::kernel(decay), &drawn[0], &drawn[1], &[]);
    assert_eq!(bits(&averages.all()[0].var.to_vec1::<f32>()?), bits(&card[0]));
    Ok(())
}
