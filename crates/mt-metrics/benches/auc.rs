//! The metrics that rank, and log loss, in rows a second: `cargo bench -p mt-metrics`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mt_metrics::{DeLong, GroupWeighting, StreamingAuc, auc, group_auc, log_loss, pr_auc, xauc};
use std::hint::black_box;

/// Probabilities around 0.1 and labels of which a tenth is positive, without a random generator.
fn rows(count: u64) -> (Vec<f32>, Vec<f32>) {
    // Multiplication by an odd constant scatters the rows (Fibonacci hashing).
    let scattered = |i: u64| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / (1u64 << 24) as f32;
    let labels: Vec<f32> = (0..count).map(|i| f32::from(u8::from(i % 10 == 0))).collect();
    let logit = |(i, label): (u64, &f32)| 4.0 * scattered(i) - 4.2 + label;
    let probabilities = (0..count).zip(&labels).map(logit).map(|z| 1.0 / (1.0 + (-z).exp())).collect();
    (probabilities, labels)
}

fn benches(criterion: &mut Criterion) {
    for (name, count) in [("100k", 100_000), ("1M", 1_000_000)] {
        let (scores, labels) = rows(count);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(count)).sample_size(20);
        group.bench_function("auc", |bencher| bencher.iter(|| auc(black_box(&scores), &labels, None)));
        group.bench_function("delong", |bencher| {
            bencher.iter(|| DeLong::new(black_box(&scores), &labels, None))
        });
        group.bench_function("log_loss", |bencher| {
            bencher.iter(|| log_loss(black_box(&scores), &labels, None))
        });
        group.bench_function("pr_auc", |bencher| bencher.iter(|| pr_auc(black_box(&scores), &labels, None)));
        // About 100 rows a user, who are scattered as a log would have them.
        let users: Vec<u32> = (0..count).map(|i| (i * 7919 % (count / 100)) as u32).collect();
        let weighting = GroupWeighting::Impressions;
        group.bench_function("group_auc", |bencher| {
            bencher.iter(|| group_auc(black_box(&scores), &labels, &users, weighting, None))
        });
        let (targets, _) = rows(count + 1);
        group
            .bench_function("xauc", |bencher| bencher.iter(|| xauc(black_box(&scores), &targets[1..], None)));
        group.finish();
    }
    let (scores, labels) = rows(4096);
    let mut streaming = StreamingAuc::new();
    let mut group = criterion.benchmark_group("streaming");
    group.throughput(Throughput::Elements(4096));
    group.bench_function("push 4096", |bencher| {
        bencher.iter(|| streaming.push(black_box(&scores), &labels, None))
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("read", |bencher| bencher.iter(|| (streaming.auc(), streaming.error_bound())));
    group.finish();
}

criterion_group!(auc_benches, benches);
criterion_main!(auc_benches);
