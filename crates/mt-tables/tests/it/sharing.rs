//! Tables of which several ranks keep some rows each are those of one rank.

use std::collections::BTreeMap;
use std::sync::Arc;

use mt_dist::{Collective, Shards, Solo, Threads, Tree};
use mt_layers::{Params, Run};
use mt_tables::{
    Embeddings, Field, Growth, Ids, Keys, Pooling, RowOptimizer, Share, Storage, TableConfig, TableGradients,
};
use proptest::prelude::*;

/// Ids of two fields, by step, shard and batch row.
type Steps = Vec<Vec<Vec<[u32; 2]>>>;

const SHARDS: usize = 8;

/// A table that grows, in four buckets, one in half precision, and a field that looks for the largest.
fn embeddings(ranks: Arc<dyn Collective>, optimizer: RowOptimizer) -> Embeddings {
    let growth = Some(Growth { admit: 2, ttl: Some(4) });
    let grows = TableConfig { growth, optimizer, ..TableConfig::new(4200, 3) };
    let half = TableConfig { storage: Storage::Bf16, optimizer, ..TableConfig::new(777, 5) };
    let field = |name: &str, table: &str, pooling| Field { name: name.into(), table: table.into(), pooling };
    let fields = vec![field("a", "grows", Pooling::Mean), field("b", "half", Pooling::Max)];
    let share = Share { ranks, shards: Shards::new(SHARDS).expect("a power of two") };
    Embeddings::shared([("grows", grows), ("half", half)], fields, 7, share).expect("tables")
}

fn batch(keys: &Keys, rows: &[[u32; 2]]) -> Arc<[Ids]> {
    let offsets = (0..=rows.len() as u32).map(|row| 2 * row).collect();
    let listed = rows.iter().flat_map(|&[a, b]| [2 + a, 2 + b % 60]).collect();
    let grows = Ids { offsets: Some(offsets), rows: listed, keys: Some(keys.clone()), ..Ids::default() };
    let half = Ids {
        rows: rows.iter().flat_map(|&[a, b]| [b, (a + b) % 777]).collect(),
        keys: None,
        ..grows.clone()
    };
    [grows, half].into()
}

/// All bits of the tables, and what each looked up in a last pass.
type Trained = (BTreeMap<String, Vec<u8>>, Vec<Vec<f32>>);

fn train(ranks: Arc<dyn Collective>, optimizer: RowOptimizer, steps: &Steps) -> Trained {
    let (rank, size) = (ranks.rank(), ranks.size());
    let embeddings = embeddings(ranks, optimizer);
    let keys: Keys = Arc::new((0..9000u64).map(|key| key.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect());
    let (shards, mut spare, mut looked_up) =
        (Shards::new(SHARDS).expect("a power of two"), Vec::new(), Vec::new());
    let mut left = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let own = shards.of(rank, size);
        let there = own.clone().filter(|&shard| shard < step.len());
        let batches: Vec<_> = there.clone().map(|shard| batch(&keys, &step[shard])).collect();
        let batches = embeddings.admit_all(batches).expect("rows");
        let mut tree = Tree::new(shards, own);
        for (shard, ids) in there.zip(batches) {
            Params::new(1)
                .backward(|run| embeddings.forward(ids, None, run)?.sqr()?.sum_all())
                .expect("a loss");
            let mut gradients = TableGradients::default();
            embeddings.take_gradients(&mut gradients);
            tree.push(shard, gradients, |a, b| TableGradients::combine(a, b, &mut left)).expect("in order");
        }
        embeddings
            .reduce(tree.into_nodes(|a, b| TableGradients::combine(a, b, &mut left)), &mut spare)
            .expect("sums");
        embeddings.step(|_| 0.3);
        if number % 3 == 2 {
            embeddings.end_epoch().expect("sizes");
        }
    }
    for step in steps {
        let ids = embeddings.fetch(vec![batch(&keys, &step[0])]).expect("rows").swap_remove(0);
        let xs = embeddings.forward(ids, None, &mut Run::evaluation()).expect("values");
        looked_up.push(xs.flatten_all().and_then(|xs| xs.to_vec1::<f32>()).expect("values"));
    }
    let tensors = embeddings.export().expect("tensors");
    let bytes = tensors.into_iter().map(|(name, tensor)| {
        let view = safetensors::serialize([(&name, &tensor)], None).expect("bytes");
        (name, view)
    });
    (bytes.collect(), looked_up)
}

fn optimizers() -> [RowOptimizer; 4] {
    [
        RowOptimizer::default(),
        RowOptimizer::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 },
        RowOptimizer::Sgd {},
        RowOptimizer::Ftrl { beta: 1.0, l1: 0.001, l2: 0.1 },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tables_do_not_depend_on_the_number_of_ranks(
        steps in prop::collection::vec(
            prop::collection::vec(prop::collection::vec([0u32..8900, 0u32..777], 1..6), 1..=SHARDS),
            1..8,
        ),
        rule in 0usize..4,
        ranks in 2usize..=SHARDS,
    ) {
        let expected = train(Arc::new(Solo), optimizers()[rule], &steps);
        let several: Vec<Trained> = std::thread::scope(|scope| {
            let group = Threads::group(ranks).into_iter();
            let one = |rank: Threads| scope.spawn(|| train(Arc::new(rank), optimizers()[rule], &steps));
            let threads: Vec<_> = group.map(one).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        prop_assert_eq!(&several[0].0, &expected.0);
        for (tensors, looked_up) in &several {
            prop_assert_eq!(looked_up, &expected.1);
            prop_assert!(tensors == &expected.0 || tensors.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// While there is room: a key has a row from the step on in which it was sighted for the second time in all, one that no other key
    /// has and that it keeps, in every shard of that step; until it was not seen for four steps when an epoch ends.
    #[test]
    fn keys_of_a_step_in_shards_have_the_rows_that_plain_bookkeeping_says(
        steps in prop::collection::vec(
            prop::collection::vec(prop::collection::vec([0u32..300, 0u32..777], 1..6), 1..=SHARDS),
            1..12,
        ),
    ) {
        let embeddings = embeddings(Arc::new(Solo), RowOptimizer::default());
        let keys: Keys = Arc::new((0..9000u64).map(|key| key.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect());
        let (mut sighted, mut rows) = (BTreeMap::<u32, (u32, usize)>::new(), BTreeMap::<u32, u32>::new());
        for (number, step) in steps.iter().enumerate() {
            let batches: Vec<_> = step.iter().map(|shard| batch(&keys, shard)).collect();
            batches.iter().flat_map(|ids| ids[0].rows.clone()).for_each(|id| {
                let (count, last) = sighted.entry(id).or_default();
                (*count, *last) = (*count + 1, number);
            });
            let found = embeddings.admit_all(batches.clone()).expect("rows");
            for (ids, found) in batches.iter().zip(&found) {
                for (&id, &row) in ids[0].rows.iter().zip(&found[0].rows) {
                    prop_assert_eq!(row >= 2, sighted[&id].0 >= 2);
                    prop_assert!(row < 4200);
                    if row >= 2 {
                        prop_assert_eq!(*rows.entry(id).or_insert(row), row);
                    }
                }
            }
            let distinct: std::collections::BTreeSet<u32> = rows.values().copied().collect();
            prop_assert_eq!(distinct.len(), rows.len());
            if number % 3 == 2 {
                sighted.retain(|_, (_, last)| *last + 4 > number);
                rows.retain(|id, _| sighted.contains_key(id));
                let size = &embeddings.end_epoch().expect("sizes")[0];
                let waiting = sighted.values().filter(|(count, _)| *count < 2).count();
                prop_assert_eq!((size.rows, size.waiting), (rows.len(), waiting));
            }
        }
    }
}

#[test]
fn a_rank_keeps_its_share_of_rows_and_a_table_saved_by_one_is_read_by_many() {
    let steps: Steps = (0..40)
        .map(|step| (0..8).map(|shard| vec![[97 * step + shard, step * 8 + shard]; 2]).collect())
        .collect();
    let (tensors, _) = train(Arc::new(Solo), RowOptimizer::default(), &steps);
    let whole = embeddings(Arc::new(Solo), RowOptimizer::default());
    let read = |bytes: &BTreeMap<String, Vec<u8>>| -> BTreeMap<String, candle_core::Tensor> {
        let load = |bytes: &Vec<u8>| candle_core::safetensors::load_buffer(bytes, &candle_core::Device::Cpu);
        bytes.values().flat_map(|bytes| load(bytes).expect("a tensor")).collect()
    };
    whole.import(&read(&tensors)).expect("the same tables");
    std::thread::scope(|scope| {
        for rank in Threads::group(3) {
            let (first, tensors) = (rank.rank() == 0, &tensors);
            scope.spawn(move || {
                let own = embeddings(Arc::new(rank), RowOptimizer::default());
                own.import(&read(tensors)).expect("its share");
                let all = own.export().expect("tensors");
                assert_eq!(all.is_empty(), !first);
                for (name, tensor) in all {
                    let bytes = safetensors::serialize([(&name, &tensor)], None).expect("bytes");
                    assert!(bytes == tensors[&name], "{name}");
                }
            });
        }
    });
}
