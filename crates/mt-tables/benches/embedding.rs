//! Embedding tables alone, a whole training step: lookup, gradients, update: `cargo bench -p mt-tables`. 20 fields with a table
//! each, 16 values a row, batches of 1,024 uniform ids, lazy Adam; the same with values in half precision, and with tables that grow.
//!
//! Measured on two cores of an AMD EPYC (Zen 4), the best of several runs beside other work, which doubled some of
//! them: 0.42 ms with 10⁴ rows, 1.17 ms with 10⁷. With 10⁴ rows half of the samples of a profile were the kernel's,
//! clearing pages that the allocator had given back.
//!
//! Later on another machine of two cores, best of several runs, without link-time optimisation: 0.65 ms and 1.3 ms, in half
//! precision 0.97 and 2.0, with tables that grow 0.92 and 2.1: of each id, the far slot of its key is touched too.
#![allow(missing_docs, unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor};
use candle_nn::Init;
use criterion::{BenchmarkId, Criterion, Throughput};
use mt_layers::{Gradients, Params, Run};
use mt_tables::{Embeddings, Field, Growth, Ids, Keys, Pooling, RowOptimizer, Storage, TableConfig};

// As in `mt`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FIELDS: usize = 20;
const WIDTH: usize = 16;
const BATCH: usize = 1024;
/// Batches in turn: together they look up 1.3 million rows, so that a large table's rows come from memory.
const BATCHES: usize = 64;

/// The rest of a network, for nothing: it hands down a gradient made beforehand.
struct Upstream(Tensor);

impl CustomOp1 for Upstream {
    fn name(&self) -> &'static str {
        "upstream"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}

fn main() -> Result<()> {
    // SAFETY: no other thread runs yet.
    unsafe { mt_layers::process::start(None) }.expect("the first threads");
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut group = criterion.benchmark_group("embedding step, 20 x 16, batch 1024");
    group.throughput(Throughput::Elements(BATCH as u64));
    for total in [10_000, 10_000_000] {
        let grows = Some(Growth { admit: 1, ttl: None });
        for (name, storage, growth) in [
            ("adam", Storage::F32, None),
            ("adam, bf16", Storage::Bf16, None),
            ("adam, growing", Storage::F32, grows),
        ] {
            let mut step = Step::new(total, storage, growth)?;
            group.bench_with_input(BenchmarkId::new(name, total), &total, |bencher, _| {
                bencher.iter(|| step.run().expect("the ids are in range"));
            });
        }
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

/// Tables all of whose rows were trained: the first update of a row also pays for its page of memory.
struct Step {
    embeddings: Embeddings,
    gradients: Gradients,
    upstream: Upstream,
    batches: Vec<Arc<[Ids]>>,
    next: usize,
}

impl Step {
    fn new(total: usize, storage: Storage, growth: Option<Growth>) -> Result<Self> {
        let rows = total / FIELDS;
        // Keys far apart, as hashes are. With two rows that are no key's.
        let key = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let keys: Option<Keys> = growth.map(|_| Arc::new((0..rows as u64 - 2).map(key).collect()));
        let adam = RowOptimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        let name = |f: usize| format!("field{f}");
        let cfg = TableConfig { optimizer: adam, storage, growth, ..TableConfig::new(rows, WIDTH) };
        let tables = (0..FIELDS).map(|f| (name(f), cfg));
        let field = |f| Field { name: name(f), table: name(f), pooling: Pooling::Sum };
        let embeddings = Embeddings::new(tables, (0..FIELDS).map(field).collect(), 1)?;
        let mut state = 1u64;
        let mut uniform = || {
            // Knuth's linear congruential generator; its high bits are random enough to scatter lookups.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (((state >> 32) * rows as u64) >> 32) as u32
        };
        let single = |rows: Vec<u32>| Ids { keys: keys.clone(), ..Ids::single(rows) };
        let mut batch = || (0..FIELDS).map(|_| single((0..BATCH).map(|_| uniform()).collect())).collect();
        let batches = (0..BATCHES).map(|_| batch()).collect();
        let normal = Init::Randn { mean: 0.0, stdev: 1.0 };
        let vb = Params::new(1).builder(DType::F32, &Device::Cpu);
        let upstream = Upstream(vb.get_with_hints((BATCH, FIELDS * WIDTH), "gradient", normal)?.detach());
        let gradients = Params::new(1).gradients();
        let mut step = Self { embeddings, gradients, upstream, batches, next: 0 };
        for first in (0..rows).step_by(BATCH) {
            let ids = |_| single((first..first + BATCH).map(|id| (id % rows) as u32).collect());
            step.on((0..FIELDS).map(ids).collect())?;
        }
        Ok(step)
    }

    fn run(&mut self) -> Result<()> {
        self.next = (self.next + 1) % BATCHES;
        self.on(self.batches[self.next].clone())
    }

    fn on(&mut self, ids: Arc<[Ids]>) -> Result<()> {
        let ids = self.embeddings.admit(ids)?;
        let forward = |run: &mut Run| {
            let pooled = self.embeddings.forward(ids, None, run)?;
            pooled.apply_op1(Upstream(self.upstream.0.clone()))
        };
        self.gradients.collect(&mut Run::training(), forward)?;
        self.embeddings.step(|_| 1e-3);
        Ok(())
    }
}
