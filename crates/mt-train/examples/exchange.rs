//! Counts what ranks send each other in a step of a configuration, and what a step would take on machines that were not measured:
//! `cargo run --release -p mt-train --example exchange -- config.yaml [--set key=value]...`
#![allow(clippy::print_stdout, reason = "a table for a page")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mt_dist::{Collective, Error as Gone, Threads};
use mt_models::candle_core::Device;
use mt_train::{Config, Event, Result, RunDir, load, train_among};

/// A rank that counts.
#[derive(Debug)]
struct Counted {
    inner: Threads,
    count: Arc<[AtomicU64; 2]>,
}

impl Counted {
    /// So many bytes go from here to other ranks, in one operation.
    fn sent(&self, bytes: usize) {
        self.count[0].fetch_add(bytes as u64, Ordering::Relaxed);
        self.count[1].fetch_add(1, Ordering::Relaxed);
    }
}

impl Collective for Counted {
    fn rank(&self) -> usize {
        self.inner.rank()
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn exchange_in_place(&self, buffers: &mut [Vec<u8>]) -> mt_dist::Result<()> {
        let others = buffers.iter().enumerate().filter(|(rank, _)| *rank != self.rank());
        self.sent(others.map(|(_, buffer)| buffer.len()).sum());
        self.inner.exchange_in_place(buffers)
    }

    fn gather_into(&self, mine: &[u8], all: &mut Vec<Vec<u8>>) -> mt_dist::Result<()> {
        self.sent(mine.len() * (self.size() - 1));
        self.inner.gather_into(mine, all)
    }

    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> mt_dist::Result<()> {
        self.sent(if root == self.rank() { bytes.len() * (self.size() - 1) } else { 0 });
        self.inner.broadcast(root, bytes)
    }

    fn barrier(&self) -> mt_dist::Result<()> {
        self.sent(0);
        self.inner.barrier()
    }

    fn abort(&self, reason: &str) -> Gone {
        self.inner.abort(reason)
    }
}

/// Bytes that a rank sends in a step on average, and operations.
fn count(cfg: &Config, ranks: usize) -> Result<[f64; 2]> {
    let data = load(cfg, None, &|_| ())?;
    let folder = std::env::temp_dir().join(format!("exchange-{}-{ranks}", std::process::id()));
    let run = RunDir::create(&folder, cfg)?;
    let counts: Vec<Arc<[AtomicU64; 2]>> = (0..ranks).map(|_| Arc::default()).collect();
    let seen = std::thread::scope(|scope| {
        let rank = |(inner, count): (Threads, Arc<[AtomicU64; 2]>)| {
            let (data, run, counts) = (&data, &run, &counts);
            scope.spawn(move || {
                let (first, mut seen) = (inner.rank() == 0, Vec::new());
                let ranks = Arc::new(Counted { inner, count });
                train_among(ranks, cfg, data, &Device::Cpu, run, &AtomicBool::new(false), &mut |event| {
                    if let Event::Progress { step, .. } = event {
                        let sums =
                            [0, 1].map(|what| counts.iter().map(|of| of[what].load(Ordering::Relaxed)).sum());
                        seen.push((*step, sums));
                    }
                })?;
                Ok(if first { seen } else { Vec::new() })
            })
        };
        let threads: Vec<_> = Threads::group(ranks).into_iter().zip(counts.clone()).map(rank).collect();
        let ended = threads.into_iter().map(|thread| thread.join().expect("no panic"));
        ended.collect::<Result<Vec<Vec<(u64, [u64; 2])>>>>()
    })?;
    let _ = std::fs::remove_dir_all(folder);
    // Between two lines of the log: other ranks may be a moment ahead or behind.
    let (from, to) = (&seen[0][0], &seen[0][seen[0].len() - 2]);
    let per_step = |what: usize| (to.1[what] - from.1[what]) as f64 / (to.0 - from.0) as f64 / ranks as f64;
    Ok([per_step(0), per_step(1)])
}

/// Rows a second of one machine, and whether that was measured here.
const MACHINES: [(&str, f64); 3] =
    [("2 cores, 140k rows/s, measured", 140e3), ("16 cores, 900k, assumed", 900e3), ("5M, assumed", 5e6)];

/// Bits a second, and seconds that an operation takes at least.
const NETWORKS: [(&str, f64, f64); 3] = [("10G", 10e9, 60e-6), ("25G", 25e9, 40e-6), ("100G", 100e9, 15e-6)];

/// Of a network's rate, the share that is reached.
const REACHED: f64 = 0.85;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_default();
    let sets: Vec<String> = args.filter(|arg| arg != "--set").collect();
    println!(
        "| rows a step | ranks | sent by a rank, MB | operations | on | 10G | 25G | 100G |\n|---:|---:|---:|---:|---|---|---|---|"
    );
    for (rows, ranks) in [(4096, 2), (4096, 8), (65_536, 8)] {
        let own = [format!("train.batch_size={rows}"), "train.shards=8".into(), "train.log_every=1".into()];
        let cfg = Config::read(Path::new(&path), &[&sets[..], &own].concat())?;
        let [bytes, calls] = count(&cfg, ranks)?;
        for (machine, rate) in MACHINES {
            let alone = f64::from(rows) / rate;
            let on = |(_, bits, latency): (&str, f64, f64)| {
                let step = alone / ranks as f64 + 8.0 * bytes / (REACHED * bits) + calls * latency;
                format!("{:.1} ms, {:.1}x", 1e3 * step, alone / step)
            };
            let [a, b, c] = NETWORKS.map(on);
            println!("| {rows} | {ranks} | {:.2} | {calls:.0} | {machine} | {a} | {b} | {c} |", bytes / 1e6);
        }
    }
    Ok(())
}
