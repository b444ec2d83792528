//! Tables whose rows belong to keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use candle_core::{Result, Tensor};
use mt_layers::Run;
use mt_tables::{
    Embeddings, FrozenEmbeddings, Growth, Ids, Keys, Pooling, RowOptimizer, TableConfig, TableFormat,
    pack_tables, unpack_tables,
};
use proptest::prelude::*;

use crate::support::{bits, differentiate, field, optimizers};

const SEED: u64 = 5;
const WIDTH: usize = 3;

fn table(capacity: usize, admit: u32, ttl: Option<u64>, optimizer: RowOptimizer) -> Embeddings {
    let cfg = TableConfig {
        optimizer,
        growth: Some(Growth { admit, ttl }),
        ..TableConfig::new(capacity + 2, WIDTH)
    };
    let fields = vec![field("one", "t", Pooling::Sum), field("list", "t", Pooling::Max)];
    Embeddings::new([("t", cfg)], fields, SEED).expect("good settings")
}

/// A batch of these keys, as both fields, of a list of all keys below 1,000.
fn batch(list: &Keys, keys: &[u64]) -> Arc<[Ids]> {
    let rows: Vec<u32> = keys
        .iter()
        .map(|key| 2 + list.iter().position(|k| k == key).expect("a key of the list") as u32)
        .collect();
    let one = Ids { keys: Some(list.clone()), ..Ids::single(rows) };
    let all = (0..=keys.len() as u32).collect();
    vec![one.clone(), Ids { offsets: Some(all), ..one }].into()
}

fn step(embeddings: &Embeddings, ids: Arc<[Ids]>, number: usize) -> Result<Vec<u32>> {
    let ids = embeddings.admit(ids)?;
    differentiate(embeddings, &ids, |i| ((i + number) as f32).sin())?;
    embeddings.step(|_| 0.1);
    Ok(ids[0].rows.clone())
}

fn start_of(key: u64) -> Result<Vec<f32>> {
    let one = table(1, 1, None, RowOptimizer::Sgd {});
    let ids = one.admit(batch(&Arc::new(vec![key]), &[key]))?;
    Ok(one.forward(ids, None, &mut Run::evaluation())?.to_vec2::<f32>()?[0][..WIDTH].to_vec())
}

/// What a table should do, as plainly as it can be said.
#[derive(Default)]
struct Plain {
    rows: BTreeMap<u64, (u32, u64)>,
    waiting: BTreeMap<u64, (u32, u64)>,
    evicted: u64,
}

impl Plain {
    fn oldest(keys: &BTreeMap<u64, (u32, u64)>, clock: u64, count: usize) -> Vec<u64> {
        let mut old: Vec<_> = keys
            .iter()
            .filter(|(_, (_, last))| *last < clock)
            .map(|(key, (_, last))| (*last, *key))
            .collect();
        old.sort_unstable();
        old.into_iter().take(count).map(|(_, key)| key).collect()
    }

    fn sight(&mut self, key: u64, clock: u64, admit: u32, capacity: usize) {
        let share = capacity.div_ceil(16);
        if let Some((_, last)) = self.rows.get_mut(&key) {
            *last = clock;
            return;
        }
        if !self.waiting.contains_key(&key) && self.waiting.len() == capacity {
            for old in Self::oldest(&self.waiting, clock, share) {
                self.waiting.remove(&old);
            }
            if self.waiting.len() == capacity {
                return;
            }
        }
        let (count, last) = self.waiting.entry(key).or_default();
        (*count, *last) = (*count + 1, clock);
        if *count < admit {
            return;
        }
        if self.rows.len() == capacity {
            for old in Self::oldest(&self.rows, clock, share) {
                self.rows.remove(&old);
                self.evicted += 1;
            }
        }
        let taken: BTreeSet<u32> = self.rows.values().map(|(row, _)| *row).collect();
        if let Some(row) = (2..capacity as u32 + 2).find(|row| !taken.contains(row)) {
            self.waiting.remove(&key);
            self.rows.insert(key, (row, clock));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_have_the_rows_that_plain_bookkeeping_gives_them(
        batches in prop::collection::vec(prop::collection::vec(0u64..40, 1..12), 1..30),
        admit in 1u32..4,
        capacity in 1usize..40,
        ttl in prop::option::of(1u64..6),
    ) {
        let list: Keys = Arc::new((0..40).collect());
        let (real, mut plain) = (table(capacity, admit, ttl, RowOptimizer::default()), Plain::default());
        let mut before = 0;
        for (number, keys) in batches.iter().enumerate() {
            let clock = number as u64 + 1;
            let rows = step(&real, batch(&list, keys), number).unwrap();
            keys.iter().chain(keys).for_each(|&key| plain.sight(key, clock, admit, capacity));
            let row = |key: &u64| plain.rows.get(key).map_or(0, |(row, _)| *row);
            prop_assert_eq!(rows, keys.iter().map(row).collect::<Vec<_>>());
            if number % 4 == 3 {
                let old = |(_, last): &(u32, u64)| ttl.is_some_and(|ttl| last + ttl <= clock);
                let count = plain.rows.len();
                plain.rows.retain(|_, key| !old(key));
                plain.waiting.retain(|_, key| !old(key));
                plain.evicted += (count - plain.rows.len()) as u64;
                let size = &real.end_epoch().expect("alone")[0];
                prop_assert_eq!((size.rows, size.waiting), (plain.rows.len(), plain.waiting.len()));
                prop_assert_eq!(size.evicted, plain.evicted);
                prop_assert_eq!(size.admitted + before as u64, plain.rows.len() as u64 + plain.evicted);
                (before, plain.evicted) = (plain.rows.len(), 0);
            }
        }
    }

    #[test]
    fn stopped_and_restored_training_goes_on_to_the_same_bits(
        batches in prop::collection::vec(prop::collection::vec(0u64..60, 1..10), 2..24),
        admit in 1u32..3,
        capacity in 1usize..30,
        stop in 0.0..1.0,
        rule in 0usize..4,
    ) {
        // Another list after the restart: another day's data numbers keys in its own way.
        let lists: [Keys; 2] = [Arc::new((0..60).collect()), Arc::new((0..60).rev().collect())];
        let new = || table(capacity, admit, Some(7), optimizers()[rule]);
        let (straight, stopped, restored) = (new(), new(), new());
        let stop = (stop * batches.len() as f64) as usize;
        for (number, keys) in batches.iter().enumerate() {
            step(&straight, batch(&lists[0], keys), number).unwrap();
            if number < stop {
                step(&stopped, batch(&lists[0], keys), number).unwrap();
            }
            if number % 5 == 4 {
                straight.end_epoch()?;
                if number < stop { stopped.end_epoch()?; }
            }
        }
        restored.import(&stopped.export().unwrap()).unwrap();
        prop_assert_eq!(bits(&restored).unwrap(), bits(&stopped).unwrap());
        for (number, keys) in batches.iter().enumerate().skip(stop) {
            step(&restored, batch(&lists[1], keys), number).unwrap();
            if number % 5 == 4 { restored.end_epoch()?; }
        }
        prop_assert_eq!(bits(&restored).unwrap(), bits(&straight).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_step_of_several_batches_has_the_rows_of_one_of_all_their_rows(
        steps in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(0u64..40, 1..8), 1..5),
            1..20,
        ),
        admit in 1u32..4,
        capacity in 1usize..40,
    ) {
        let list: Keys = Arc::new((0..40).collect());
        let new = || table(capacity, admit, Some(3), RowOptimizer::default());
        let (several, one) = (new(), new());
        for (number, parts) in steps.iter().enumerate() {
            let rows = step(&one, batch(&list, &parts.concat()), number).unwrap();
            let parts = parts.iter().map(|keys| batch(&list, keys)).collect();
            let found = several.admit_all(parts).unwrap();
            let own: Vec<u32> = found.iter().flat_map(|ids| ids[0].rows.clone()).collect();
            prop_assert_eq!(own, rows);
            prop_assert!(found.into_iter().all(|ids| several.forward(ids, None, &mut Run::evaluation()).is_ok()));
            if number % 4 == 3 {
                let sizes = [&several, &one].map(|tables| tables.end_epoch().expect("alone"));
                prop_assert_eq!(&sizes[0], &sizes[1]);
            }
        }
    }
}

#[test]
fn a_key_without_room_to_wait_that_gets_a_row_later_in_its_step_has_it_in_all_of_the_step() -> Result<()> {
    let list: Keys = Arc::new((0..40).collect());
    // Keys 22 and 0 wait, so 5 may not; then 22 gets a row, 5 waits and gets one by its third sighting from there.
    let rows = step(&table(2, 3, None, RowOptimizer::default()), batch(&list, &[22, 22, 0, 5, 22, 5]), 0)?;
    assert_eq!(rows, [2, 2, 0, 3, 2, 3]);
    Ok(())
}

#[test]
fn where_a_row_starts_follows_from_its_key_alone() -> Result<()> {
    let list: Keys = Arc::new(vec![9, u64::MAX, (1 << 53) + 1, 1 << 24, 7]);
    let embeddings = table(3, 2, None, RowOptimizer::Sgd {});
    // The third has a row that another key had, and had trained.
    for (number, keys) in [&[9u64][..], &[7], &[7, 1 << 24], &[u64::MAX]].into_iter().enumerate() {
        step(&embeddings, batch(&list, keys), number)?;
    }
    for key in [(1 << 53) + 1, u64::MAX] {
        let ids = embeddings.admit(batch(&list, &[key, key]))?;
        let found = embeddings.forward(ids, None, &mut Run::evaluation())?.to_vec2::<f32>()?;
        if key != u64::MAX {
            assert_eq!(found[0][..WIDTH], start_of(key)?);
        }
        assert_eq!(found[0], found[1]);
    }
    assert_ne!(start_of(u64::MAX)?, start_of(7)?);
    Ok(())
}

#[test]
fn evaluation_counts_admits_and_evicts_nothing() -> Result<()> {
    let list: Keys = Arc::new((0..20).collect());
    let embeddings = table(4, 2, None, RowOptimizer::default());
    for number in 0..3 {
        step(&embeddings, batch(&list, &[1, 2, 3, 4, 5]), number)?;
    }
    let before = bits(&embeddings)?;
    let known = embeddings.forward(batch(&list, &[1, 9]), None, &mut Run::evaluation())?.to_vec2::<f32>()?;
    let strangers: Keys = Arc::new(vec![77, 1, 78]);
    let found = embeddings
        .forward(batch(&strangers, &[1, 77, 78]), None, &mut Run::evaluation())?
        .to_vec2::<f32>()?;
    assert_eq!(found[0], known[0]);
    assert_eq!((&found[1], &found[2]), (&known[1], &known[1]), "keys without a row share one");
    assert_eq!(bits(&embeddings)?, before);
    Ok(())
}

fn frozen(
    tensors: &BTreeMap<String, Tensor>,
    rows: usize,
) -> std::result::Result<FrozenEmbeddings, mt_tables::Error> {
    open(safetensors::serialize(tensors.iter(), None).expect("a file"), rows)
}

fn open(bytes: Vec<u8>, rows: usize) -> std::result::Result<FrozenEmbeddings, mt_tables::Error> {
    let fields = vec![field("one", "t", Pooling::Sum), field("list", "t", Pooling::Max)];
    FrozenEmbeddings::new(&[("t".to_owned(), rows, WIDTH)], fields, SEED, Arc::new(bytes))
}

#[test]
fn frozen_tables_find_every_key_and_give_the_bits_of_the_trained_ones() -> Result<()> {
    let list: Keys =
        Arc::new((0..40).map(|i| if i % 3 == 0 { u64::MAX - i } else { (1 << 53) + i }).collect());
    for (capacity, steps) in [(64, 1), (9, 12), (64, 0)] {
        let live = table(capacity, 2, None, RowOptimizer::Sgd {});
        for number in 0..steps {
            let at = number * 7 % 30;
            step(&live, batch(&list, &list[at..at + 9]), number)?;
        }
        let mut tensors = live.export()?;
        tensors.retain(|name, _| !matches!(&name[2..], "sum"));
        let size = [("t".to_owned(), capacity + 2)];
        let packed = pack_tables(&tensors, &size, TableFormat::F32)?;
        let again = pack_tables(&unpack_tables(packed.clone())?, &size, TableFormat::F32)?;
        let expected = live.forward(batch(&list, &list), None, &mut Run::evaluation())?.to_vec2::<f32>()?;
        for file in [&tensors, &packed, &again] {
            let frozen = frozen(file, capacity + 2)?;
            assert_eq!(frozen.forward(&batch(&list, &list), None)?.to_vec2::<f32>()?, expected);
        }
    }
    Ok(())
}

#[test]
fn a_file_of_keys_with_any_byte_turned_never_panics() -> Result<()> {
    let list: Keys = Arc::new((0..40).collect());
    let live = table(20, 1, None, RowOptimizer::Sgd {});
    step(&live, batch(&list, &list[3..15]), 0)?;
    let packed = pack_tables(&live.export()?, &[("t".to_owned(), 22)], TableFormat::F32)?;
    let bytes = safetensors::serialize(packed.iter(), None).expect("a file");
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut turned = bytes.clone();
            turned[at] ^= 1 << bit;
            if let Ok(frozen) = open(turned, 22) {
                frozen.forward(&batch(&list, &list), None)?;
            }
        }
    }
    Ok(())
}

#[test]
fn what_does_not_fit_a_table_that_grows_is_refused() -> Result<()> {
    let cfg = |rows, growth| TableConfig { growth: Some(growth), ..TableConfig::new(rows, 2) };
    let message = |cfg| {
        Embeddings::new([("t", cfg)], vec![field("a", "t", Pooling::Sum)], 1).expect_err("bad").to_string()
    };
    let good = Growth { admit: 1, ttl: None };
    assert_eq!(message(cfg(2, good)), "tables.t.rows: a table that grows has 3 to 2^31 rows, found 2");
    assert!(
        message(cfg(9, Growth { admit: 0, ..good }))
            .starts_with("tables.t.growth.admit: expected at least 1")
    );
    assert!(
        message(cfg(9, Growth { ttl: Some(0), ..good }))
            .starts_with("tables.t.growth.ttl: expected at least 1")
    );

    let list: Keys = Arc::new((0..9).collect());
    let embeddings = table(4, 1, None, RowOptimizer::default());
    let fixed = Embeddings::new([("t", TableConfig::new(9, 2))], vec![field("a", "t", Pooling::Sum)], 1)?;
    let error =
        fixed.forward(vec![batch(&list, &[1])[0].clone()], None, &mut Run::evaluation()).expect_err("keys");
    assert_eq!(error.to_string(), "field \"a\": keys, but table \"t\" does not grow");
    let error =
        embeddings.forward(vec![Ids::single(vec![3]); 2], None, &mut Run::evaluation()).expect_err("no key");
    assert_eq!(error.to_string(), "field \"one\": rows that belong to no key");

    step(&embeddings, batch(&list, &[5, 6, 7]), 0)?;
    let saved = embeddings.export()?;
    for what in ["keys", "last", "clock", "waiting", "waiting_last", "waiting_counts"] {
        let mut tensors = saved.clone();
        tensors.remove(&format!("t.{what}"));
        let error = embeddings.import(&tensors).expect_err("missing").to_string();
        assert!(error.contains(what), "{error}");
    }
    let mut tensors = saved.clone();
    tensors.insert("t.keys".to_owned(), Tensor::new(&[5i64, 6, 5], &candle_core::Device::Cpu)?);
    let error = embeddings.import(&tensors).expect_err("twice").to_string();
    assert_eq!(error, "saved table \"t\": a key is there twice");
    Ok(())
}
