//! Every fused operation beside its composition of plain candle operations, forward and backward, in rows a second:
//! `cargo bench -p mt-layers`.
#![allow(missing_docs, unsafe_code)]

mod composed;
mod routes;

use std::time::Duration;

use candle_core::{Result, Tensor};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use mt_layers::study::{WIDTH, rows};
use mt_layers::{
    Bank, Initializer, Input, LossKind, LossTerm, Mixture, MultiTaskLoss, Run, SparseRows, Towers,
};

use crate::routes::{Routes, Upstream, normal, variable};

// As in `mt`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The smallest batch anyone trains with, a usual one, and one limited by arithmetic alone.
const BATCHES: [usize; 3] = [32, 512, 4096];
const INIT: Initializer = Initializer::Xavier;

fn main() -> Result<()> {
    // SAFETY: no other thread runs yet.
    unsafe { mt_layers::process::start(None) }.expect("the first threads");
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    sparse_bank(&mut criterion)?;
    dense_bank(&mut criterion, "dense bank 16 -> 3 x 16", 16, (3, 16), true)?;
    dense_bank(&mut criterion, "dense bank 499 -> 8 x 64", WIDTH, (8, 64), false)?;
    mixture(&mut criterion)?;
    towers(&mut criterion, "towers 2 x (16 -> 8 -> 1)", 16, 2)?;
    towers(&mut criterion, "towers 2 x (117 -> 8 -> 1) on one stream", 117, 1)?;
    loss(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// Measures one route; what it returns is freed within the measured time, as in a training step.
fn measure<R>(
    group: &mut BenchmarkGroup<WallTime>,
    route: &str,
    rows: usize,
    mut step: impl FnMut() -> Result<R>,
) {
    group.throughput(Throughput::Elements(rows as u64));
    group.bench_with_input(BenchmarkId::new(route, rows), &rows, |bencher, _| {
        bencher.iter(|| step().expect("the shapes fit"));
    });
}

/// The first layer, on rows of which one value of 15 is not zero. candle has no sparse product: its route gets the
/// rows dense, made beforehand.
fn sparse_bank(criterion: &mut Criterion) -> Result<()> {
    let bank = Routes::new(|vb| Bank::experts(WIDTH, 8, &[16], INIT, vb))?;
    let mut group = criterion.benchmark_group("sparse bank 499 -> 8 x 16");
    for batch in BATCHES {
        let rows = rows(batch);
        let sparse = SparseRows::new(WIDTH, rows.offsets, rows.columns, rows.values)?;
        let sparse = Input::from(sparse);
        let dense = Input::Dense(sparse.to_dense(candle_core::DType::F32, &candle_core::Device::Cpu)?);
        let upstream = Upstream::new((batch, 8 * 16))?;
        measure(&mut group, "fused", batch, || {
            bank.fused(|bank, run| upstream.end(&bank.forward(&sparse, run)?))
        });
        measure(&mut group, "composed", batch, || {
            bank.composed(|bank, run| upstream.end(&bank.forward(&dense, run)?))
        });
    }
    group.finish();
    Ok(())
}

/// A layer on dense rows; `differentiate` them as well where they are the streams of a level below.
fn dense_bank(
    criterion: &mut Criterion,
    name: &str,
    inputs: usize,
    (n, units): (usize, usize),
    differentiate: bool,
) -> Result<()> {
    let bank = Routes::new(|vb| Bank::experts(inputs, n, &[units], INIT, vb))?;
    let mut group = criterion.benchmark_group(name);
    for batch in BATCHES {
        let shape = (batch, inputs);
        let xs = Input::Dense(if differentiate { variable(shape)? } else { normal(shape)? });
        let upstream = Upstream::new((batch, n * units))?;
        measure(&mut group, "fused", batch, || {
            bank.fused(|bank, run| upstream.end(&bank.forward(&xs, run)?))
        });
        measure(&mut group, "composed", batch, || {
            bank.composed(|bank, run| upstream.end(&bank.forward(&xs, run)?))
        });
    }
    group.finish();
    Ok(())
}

fn mixture(criterion: &mut Criterion) -> Result<()> {
    let (experts, width, gates) = (8, 16, 2);
    let mixture = Mixture::new(width, vec![(0..experts).collect(); gates], 1.0)?;
    let mut group = criterion.benchmark_group("mixture 8 x 16, 2 gates");
    for batch in BATCHES {
        let (xs, logits) = (variable((batch, experts * width))?, variable((batch, gates * experts))?);
        let upstream = Upstream::new((batch, gates * width))?;
        let step = |mixed: Tensor| upstream.end(&mixed)?.backward();
        measure(&mut group, "fused", batch, || step(mixture.forward(&xs, &logits, &mut Run::training())?));
        measure(&mut group, "composed", batch, || step(composed::mixture(&xs, &logits, gates, width)?));
    }
    group.finish();
    Ok(())
}

fn towers(criterion: &mut Criterion, name: &str, inputs: usize, streams: usize) -> Result<()> {
    let heads = [("completion", 1), ("like", 1)];
    let towers = Routes::new(|vb| Towers::new(inputs, &[8], heads, INIT, vb))?;
    let mut group = criterion.benchmark_group(name);
    for batch in BATCHES {
        let xs = variable((batch, streams * inputs))?;
        let upstream = Upstream::new((batch, heads.len()))?;
        measure(&mut group, "fused", batch, || {
            towers.fused(|towers, run| upstream.end(&towers.forward(&xs, run)?))
        });
        measure(&mut group, "composed", batch, || {
            towers.composed(|towers, run| upstream.end(&towers.forward(&xs, run)?))
        });
    }
    group.finish();
    Ok(())
}

fn loss(criterion: &mut Criterion) -> Result<()> {
    let tasks = [LossTerm { logits: 1, weight: 1.0, kind: LossKind::CrossEntropy }; 2];
    let mut group = criterion.benchmark_group("loss of 2 tasks");
    for batch in BATCHES {
        let (logits, labels) = (variable((batch, tasks.len()))?, rows(batch).labels);
        let mask = vec![1.0; labels.len()];
        let loss = MultiTaskLoss { tasks: &tasks, labels: &labels, mask: &mask };
        measure(&mut group, "fused", batch, || loss.forward(&logits)?.total.backward());
        measure(&mut group, "composed", batch, || {
            composed::loss(&logits, &labels, &mask, tasks.len())?.backward()
        });
    }
    group.finish();
    Ok(())
}
