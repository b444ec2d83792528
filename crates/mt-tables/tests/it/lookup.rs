//! Lookup and gradients of embedding tables against plain candle operations.

use candle_core::{Device, Result, Tensor, Var};
use mt_layers::{Input, Params, Run, SparseRows};
use mt_tables::{Embeddings, Ids, Pooling, RowOptimizer, TableConfig};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use crate::support::{POOLINGS, all_rows, composed, differentiate, field, one_table, optimizers};

/// Lists of one field: none, some or many ids; one each if `single`. No id twice in a list, as two equal rows would
/// be a tie, which candle gives the gradient of twice.
fn ids(rows: usize, batch: usize) -> impl Strategy<Value = Ids> {
    let list = btree_set(0..rows as u32, 0..5);
    let single = vec(0..rows as u32, batch).prop_map(Ids::single);
    let lists = vec(list, batch).prop_map(|lists| {
        let mut ids = Ids { offsets: Some(vec![0]), ..Ids::default() };
        for list in lists {
            ids.rows.extend(list);
            ids.offsets.get_or_insert_default().push(ids.rows.len() as u32);
        }
        ids
    });
    prop_oneof![single, lists]
}

fn case() -> impl Strategy<Value = (usize, usize, Vec<Ids>)> {
    (1usize..40, prop_oneof![Just(16), 1usize..20], 1usize..200).prop_flat_map(|(rows, width, batch)| {
        (Just(rows), Just(width), vec(ids(rows, batch), POOLINGS.len()))
    })
}

fn wave(i: usize) -> f32 {
    (i as f32 * 0.7).sin()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn lookup_and_gradients_are_those_of_candle((rows, width, mut ids) in case()) {
        let embeddings = one_table(rows, width, RowOptimizer::Sgd {}, &POOLINGS);
        ids[3].weights = Some((0..ids[3].rows.len()).map(wave).collect());
        // The first step trains some of the rows, so that the second reads both kinds.
        for _ in 0..2 {
            let table = Var::from_tensor(&all_rows(&embeddings, rows, width, &POOLINGS).unwrap()).unwrap();
            let expected = composed(&table, &ids, &POOLINGS).unwrap();
            let found = differentiate(&embeddings, &ids, wave).unwrap();
            for (found, expected) in found.iter().zip(expected.to_vec2::<f32>().unwrap()) {
                for (f, e) in found.iter().zip(&expected) {
                    prop_assert!((f - e).abs() < 1e-5, "{f} and {e}");
                }
            }
            let upstream = (0..expected.elem_count()).map(wave).collect::<Vec<_>>();
            let upstream = Tensor::from_vec(upstream, expected.shape(), &Device::Cpu).unwrap();
            let store = (&expected * upstream).unwrap().sum_all().unwrap().backward().unwrap();
            let mut dense = store.get(&table).map_or(vec![vec![0.0; width]; rows], |g| g.to_vec2::<f32>().unwrap());
            let sparse = embeddings.gradient("t").unwrap();
            for (&id, gradient) in sparse.ids.iter().zip(sparse.values.chunks_exact(width)) {
                for (dense, g) in dense[id as usize].iter_mut().zip(gradient) {
                    *dense -= g;
                }
            }
            prop_assert!(dense.iter().flatten().all(|d| d.abs() < 1e-4), "{dense:?}");
            embeddings.step(|_| 0.1);
            prop_assert!(embeddings.gradient("t").unwrap().ids.is_empty());
        }
    }
}

#[test]
fn training_by_rows_is_dense_gradient_descent() -> Result<()> {
    let (rows, width, poolings) = (11, 5, [Pooling::Mean, Pooling::Sum]);
    let embeddings = one_table(rows, width, RowOptimizer::Sgd {}, &poolings);
    let table = Var::from_tensor(&all_rows(&embeddings, rows, width, &poolings)?)?;
    for step in 0..20u32 {
        let lists = Ids {
            offsets: Some(vec![0, 2, 2, 5]),
            rows: (0..5).map(|i| (i * i + step) % 11).collect(),
            ..Ids::default()
        };
        let ids = [lists, Ids::single(vec![step % 11, 3, 7])];
        let loss = |out: Tensor| (out - 1.0)?.sqr()?.sum_all();
        let gradient = loss(composed(&table, &ids, &poolings)?)?.backward()?;
        Params::new(0).backward(|run| loss(embeddings.forward(ids.to_vec(), None, run)?))?;
        table.set(&(table.as_detached_tensor() - (gradient.get(&table).expect("a gradient") * 0.05)?)?)?;
        embeddings.step(|_| 0.05);
    }
    let (dense, sparse) = (table.to_vec2::<f32>()?, all_rows(&embeddings, rows, width, &poolings)?);
    for (d, s) in dense.iter().flatten().zip(sparse.flatten_all()?.to_vec1::<f32>()?) {
        approx::assert_abs_diff_eq!(*d, s, epsilon = 1e-5);
    }
    Ok(())
}

#[test]
fn the_largest_row_gets_the_gradient_and_the_first_of_equals() -> Result<()> {
    let embeddings = one_table(9, 3, RowOptimizer::Sgd {}, &[Pooling::Max]);
    let ids = Ids { offsets: Some(vec![0, 0, 3]), rows: vec![4, 4, 4], ..Ids::default() };
    let out = differentiate(&embeddings, &[ids], |i| i as f32)?;
    assert_eq!(out[0], [0.0; 3]);
    let gradient = embeddings.gradient("t")?;
    assert_eq!((gradient.ids, gradient.values), (vec![4], vec![3.0, 4.0, 5.0]));
    Ok(())
}

#[test]
fn numeric_columns_follow_the_fields() -> Result<()> {
    let embeddings = one_table(9, 3, RowOptimizer::Sgd {}, &[Pooling::Sum]);
    let ids = || vec![Ids::single(vec![1, 8])];
    let numeric = Tensor::new(&[[1f32, 0.0], [0.0, -2.0]], &Device::Cpu)?;
    let alone = embeddings.forward(ids(), None, &mut Run::evaluation())?;
    let expected = Tensor::cat(&[&alone, &numeric], 1)?.to_vec2::<f32>()?;
    let transposed = numeric.t()?.contiguous()?.t()?;
    for input in [Input::from(&numeric), Input::from(SparseRows::from_dense(&numeric)?), transposed.into()] {
        assert_eq!(
            embeddings.forward(ids(), Some(&input), &mut Run::evaluation())?.to_vec2::<f32>()?,
            expected
        );
    }
    Ok(())
}

#[test]
fn inference_leaves_no_trace() -> Result<()> {
    let embeddings = one_table(9, 3, RowOptimizer::Sgd {}, &[Pooling::Sum]);
    let out = embeddings.forward(vec![Ids::single(vec![1, 8])], None, &mut Run::evaluation())?;
    assert!(!out.track_op());
    assert!(embeddings.gradient("t")?.ids.is_empty());
    embeddings.step(|_| 0.1);
    assert_eq!(embeddings.export()?["t.steps"].to_vec1::<i64>()?, [0]);
    Ok(())
}

#[test]
fn gradients_accumulate_until_a_step() -> Result<()> {
    let embeddings = one_table(9, 3, RowOptimizer::Sgd {}, &[Pooling::Sum]);
    differentiate(&embeddings, &[Ids::single(vec![1, 8])], |i| i as f32)?;
    differentiate(&embeddings, &[Ids::single(vec![2, 1])], |i| i as f32)?;
    let gradient = embeddings.gradient("t")?;
    assert_eq!(gradient.ids, [1, 8, 2]);
    assert_eq!(gradient.values, [3.0, 5.0, 7.0, 3.0, 4.0, 5.0, 0.0, 1.0, 2.0]);
    Ok(())
}

#[test]
fn a_table_without_ids_in_the_batch_stays_as_it_is() -> Result<()> {
    for optimizer in optimizers() {
        let cfg = TableConfig { optimizer, ..TableConfig::new(5, 2) };
        let fields = vec![field("a", "a", Pooling::Sum), field("b", "b", Pooling::Sum)];
        let embeddings = Embeddings::new([("a", cfg), ("b", cfg)], fields, 1)?;
        let none = Ids { offsets: Some(vec![0, 0]), ..Ids::default() };
        differentiate(&embeddings, &[Ids::single(vec![3]), none], |_| 1.0)?;
        embeddings.step(|_| 0.1);
        let saved = embeddings.export()?;
        assert_eq!(
            (saved["a.ids"].to_vec1::<u32>()?, saved["a.steps"].to_vec1::<i64>()?),
            (vec![3], vec![1])
        );
        assert_eq!((saved["b.ids"].elem_count(), saved["b.steps"].to_vec1::<i64>()?), (0, vec![0]));
    }
    Ok(())
}

#[test]
fn a_table_larger_than_what_is_touched_costs_what_is_touched() -> Result<()> {
    // 3.2 GB, were it all touched.
    let embeddings = one_table(50_000_000, 16, RowOptimizer::default(), &[Pooling::Sum]);
    differentiate(&embeddings, &[Ids::single(vec![0, 49_999_999])], |i| i as f32)?;
    embeddings.step(|_| 0.1);
    assert_eq!(embeddings.export()?["t.values"].dims(), [2, 16]);
    Ok(())
}
