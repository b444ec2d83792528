//! Row optimizers, saving, threads, and what is refused.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor};
use mt_layers::Run;
use mt_tables::{Embeddings, Error, Field, Ids, Pooling, RowOptimizer, Storage, TableConfig};

use crate::support::{bits, differentiate, field, one_table, optimizers};

/// Three updates of a table of 4 x 3 that starts from given values, one row twice in a batch, one never.
fn three_steps(optimizer: RowOptimizer, start: [[f32; 3]; 4]) -> Result<Vec<Vec<f32>>> {
    let embeddings = one_table(4, 3, optimizer, &[Pooling::Sum]);
    let mut saved = embeddings.export()?;
    saved.remove("t.ids");
    for (name, tensor) in saved.iter_mut().filter(|(name, _)| *name != "t.steps") {
        let dims: Vec<usize> =
            tensor.dims().iter().enumerate().map(|(d, &n)| if d == 0 { 4 } else { n }).collect();
        *tensor = match name.as_str() {
            "t.values" => Tensor::new(&start, &Device::Cpu)?,
            _ => Tensor::zeros(dims, candle_core::DType::F32, &Device::Cpu)?,
        };
    }
    embeddings.import(&saved)?;
    for (s, ids) in [vec![0, 2], vec![2, 3, 2], vec![0]].into_iter().enumerate() {
        let upstream = |i: usize| {
            let sign = if (i / 3).is_multiple_of(2) { 1.0 } else { -0.5 };
            0.3 * (s + 1) as f32 * ((i % 3) as f32 - 0.75) * sign
        };
        differentiate(&embeddings, &[Ids::single(ids)], upstream)?;
        embeddings.step(|_| 0.1);
    }
    embeddings.forward(vec![Ids::single(vec![0, 1, 2, 3])], None, &mut Run::evaluation())?.to_vec2()
}

const START: [[f32; 3]; 4] = [[0.5, -0.25, 1.0], [0.1, 0.2, 0.3], [-1.0, 0.75, 0.0], [2.0, -2.0, 0.125]];

fn assert_rows(found: &[Vec<f32>], expected: [[f32; 3]; 4]) {
    for (found, expected) in found.iter().flatten().zip(expected.as_flattened()) {
        approx::assert_relative_eq!(found, expected, max_relative = 2e-6, epsilon = 1e-8);
    }
}

/// Values of PyTorch 2.15.0: `Embedding(4, 3, sparse=True)` and `torch.optim.SparseAdam(lr=0.1)`.
#[test]
fn lazy_adam_gives_the_values_of_pytorchs_sparse_adam() -> Result<()> {
    let adam = RowOptimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let expected = [
        [0.678_787_9, -0.428_787_56, 0.821_212_05],
        START[1],
        [-1.034_467, 0.784_466_57, 0.034_467_183],
        [1.925_586_5, -1.925_586_6, 0.199_413_63],
    ];
    assert_rows(&three_steps(adam, START)?, expected);
    Ok(())
}

/// Values of the formula in float64.
#[test]
fn row_wise_adagrad_gives_the_values_of_its_formula() -> Result<()> {
    let expected = [
        [0.671_154_8, -0.307_051_6, 0.714_742],
        START[1],
        [-1.000_678_2, 0.750_226_1, 0.001_130_393],
        [1.912_169, -1.970_723, 0.271_385],
    ];
    assert_rows(&three_steps(RowOptimizer::default(), START)?, expected);
    Ok(())
}

/// Values of algorithm 1 of McMahan et al. 2013 in float64, from zero, with α 0.1, β 1, λ₁ 0.05, λ₂ 0.5.
#[test]
fn ftrl_gives_the_values_of_algorithm_1() -> Result<()> {
    let expected = [
        [0.052_044_83, -0.019_702_42, -0.073_123_36],
        [0.0; 3],
        [0.035_502_47, -0.015_713_566, -0.043_540_666],
        [-0.013_725_49, 0.002_222_222_2, 0.022_807_018],
    ];
    assert_rows(&three_steps(RowOptimizer::Ftrl { beta: 1.0, l1: 0.05, l2: 0.5 }, [[0.0; 3]; 4])?, expected);
    Ok(())
}

#[test]
fn a_gradient_of_nothing_leaves_a_row_where_it_starts() -> Result<()> {
    for optimizer in optimizers() {
        let embeddings = one_table(9, 5, optimizer, &[Pooling::Sum]);
        let row =
            || embeddings.forward(vec![Ids::single(vec![7])], None, &mut Run::evaluation())?.to_vec2::<f32>();
        let start = row()?;
        differentiate(&embeddings, &[Ids::single(vec![7])], |_| 0.0)?;
        embeddings.step(|_| 0.1);
        for (now, start) in row()?[0].iter().zip(&start[0]) {
            approx::assert_relative_eq!(now, start, max_relative = 1e-6);
        }
    }
    Ok(())
}

#[test]
fn at_rate_zero_no_value_moves() -> Result<()> {
    for optimizer in optimizers() {
        let embeddings = one_table(9, 5, optimizer, &[Pooling::Sum]);
        let row =
            || embeddings.forward(vec![Ids::single(vec![7])], None, &mut Run::evaluation())?.to_vec2::<f32>();
        let start = row()?;
        differentiate(&embeddings, &[Ids::single(vec![7])], |i| i as f32 - 1.5)?;
        embeddings.step(|_| 0.0);
        assert_eq!(row()?, start);
        assert!(embeddings.gradient("t")?.ids.is_empty());
    }
    Ok(())
}

/// Some steps on a table of 50 rows: from step `from` to step `to`, on ids of `0..reach`.
fn train(embeddings: &Embeddings, from: u32, to: u32, reach: u32) -> Result<()> {
    for step in from..to {
        let rows: Vec<u32> = (0..30).map(|i| (i * 7 + step * 13) % reach).collect();
        let lists = Ids { offsets: Some(vec![0, 4, 4, 30]), rows: rows.clone(), ..Ids::default() };
        let ids = [lists, Ids::single(rows[..3].to_vec())];
        differentiate(embeddings, &ids, |i| ((i + step as usize) as f32).sin())?;
        embeddings.step(|_| 0.05);
    }
    Ok(())
}

#[test]
fn restored_tables_go_on_to_the_same_bits() -> Result<()> {
    for optimizer in optimizers() {
        for reach in [20, 50] {
            let new = || one_table(50, 6, optimizer, &[Pooling::Mean, Pooling::Max]);
            let (straight, stopped, restored) = (new(), new(), new());
            train(&straight, 0, 12, reach)?;
            train(&stopped, 0, 6, reach)?;
            let saved = stopped.export()?;
            assert_eq!(saved.contains_key("t.ids"), reach < 50, "a table trained whole is dense");
            train(&restored, 3, 5, 50)?;
            restored.import(&saved)?;
            assert_eq!(bits(&restored)?, bits(&stopped)?);
            train(&restored, 6, 12, reach)?;
            assert_eq!(bits(&restored)?, bits(&straight)?);
        }
    }
    Ok(())
}

#[test]
fn half_precision_loses_no_small_updates_and_goes_on_to_the_same_bits() -> Result<()> {
    for storage in [Storage::F16, Storage::Bf16] {
        for optimizer in optimizers() {
            let new = || {
                let cfg = TableConfig { optimizer, storage, ..TableConfig::new(50, 5) };
                let fields = vec![field("a", "t", Pooling::Mean), field("b", "t", Pooling::Max)];
                Embeddings::new([("t", cfg)], fields, 3).expect("good settings")
            };
            let (straight, stopped, restored) = (new(), new(), new());
            train(&straight, 0, 12, 50)?;
            train(&stopped, 0, 6, 50)?;
            assert_eq!(stopped.export()?["t.values"].dtype().size_in_bytes(), 2);
            restored.import(&stopped.export()?)?;
            train(&restored, 6, 12, 50)?;
            assert_eq!(bits(&restored)?, bits(&straight)?);
            assert_ne!(bits(&straight)?, bits(&stopped)?);
        }
        // A thousand updates, each a fraction of the distance between two numbers near the value.
        let cfg = TableConfig { optimizer: RowOptimizer::Sgd {}, storage, ..TableConfig::new(1, 64) };
        let embeddings = Embeddings::new([("t", cfg)], vec![field("a", "t", Pooling::Sum)], 3)?;
        let ids = [Ids::single(vec![0])];
        differentiate(&embeddings, &ids, |_| -1.0)?;
        embeddings.step(|_| 1.0);
        for _ in 0..1000 {
            differentiate(&embeddings, &ids, |_| -1.0)?;
            embeddings.step(|_| 1e-4);
        }
        let mean =
            embeddings.forward(ids.to_vec(), None, &mut Run::evaluation())?.mean_all()?.to_scalar::<f32>()?;
        approx::assert_abs_diff_eq!(mean, 1.1, epsilon = 0.02);
    }
    Ok(())
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() -> Result<()> {
    let adam = RowOptimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| {
            let name = |f: usize| format!("t{}", f % 8);
            let tables =
                (0..8).map(|f| (name(f), TableConfig { optimizer: adam, ..TableConfig::new(3000, 16) }));
            let fields = (0..20).map(|f| field(&format!("f{f}"), &name(f), Pooling::Sum)).collect();
            let embeddings = Embeddings::new(tables, fields, 1)?;
            let mut outputs = Vec::new();
            for step in 0..3u32 {
                let id = |b: u32, f: u32| (b * b + 17 * f + 1001 * step) % 3000;
                let ids = (0..20).map(|f| Ids::single((0..1024).map(|b| id(b, f)).collect()));
                outputs.push(differentiate(&embeddings, &ids.collect::<Vec<_>>(), |i| (i as f32).cos())?);
                embeddings.step(|_| 0.01);
            }
            Ok::<_, candle_core::Error>((outputs, bits(&embeddings)?))
        })
    };
    let one = run(1)?;
    for threads in [2, 3] {
        assert!(run(threads)? == one, "{threads} threads");
    }
    Ok(())
}

#[test]
fn ids_that_do_not_fit_are_refused_by_name() {
    let embeddings = one_table(5, 2, RowOptimizer::Sgd {}, &[Pooling::Sum, Pooling::WeightedSum]);
    let good = || Ids { weights: Some(vec![1.0]), ..Ids::single(vec![0]) };
    let message = |ids: Vec<Ids>| {
        embeddings.forward(ids, None, &mut Run::evaluation()).expect_err("must not fit").to_string()
    };
    assert_eq!(
        message(vec![Ids::single(vec![5]), good()]),
        "field \"field0\": row 5 of table \"t\", which has 5 rows"
    );
    let through_candle = differentiate(&embeddings, &[Ids::single(vec![5]), good()], |_| 1.0);
    let through_candle = through_candle.expect_err("must not fit").to_string();
    assert!(through_candle.contains("row 5 of table \"t\""), "{through_candle}");
    let lists = |offsets| Ids { offsets: Some(offsets), ..Ids::single(vec![0]) };
    for offsets in [vec![], vec![1], vec![0, 2], vec![0, 2, 1]] {
        assert!(message(vec![lists(offsets), good()]).contains("do not rise"));
    }
    assert!(
        message(vec![Ids::single(vec![0]); 2]).contains("\"field1\": pooled by weight, but has no weights")
    );
    assert!(message(vec![good(), good()]).contains("\"field0\": weights, but"));
    assert!(
        message(vec![Ids::single(vec![0, 1]), good()]).contains("1 batch rows, the fields before it have 2")
    );
    assert_eq!(message(vec![good()]), "expected 2 fields with ids, found 1");
    let numeric = Tensor::zeros((2, 1), candle_core::DType::F32, &Device::Cpu).expect("a tensor").into();
    let error = embeddings
        .forward(vec![Ids::single(vec![0]), good()], Some(&numeric), &mut Run::evaluation())
        .expect_err("two rows");
    assert_eq!(error.to_string(), "expected 1 rows of numeric columns, found 2");
}

#[test]
fn settings_that_cannot_be_are_refused_by_key() {
    let message = |rows, width, optimizer, fields: Vec<Field>| {
        Embeddings::new([("t", TableConfig { optimizer, ..TableConfig::new(rows, width) })], fields, 0)
            .expect_err("bad")
            .to_string()
    };
    let sgd = RowOptimizer::Sgd {};
    let one = || vec![field("a", "t", Pooling::Sum)];
    assert!(message(0, 2, sgd, one()).starts_with("tables.t.rows: expected 1 to 2^32"));
    assert!(message(2, 0, sgd, one()).starts_with("tables.t.width: "));
    assert!(message(1 << 32, 1 << 40, sgd, one()).contains("do not fit in memory"));
    assert!(message(1 << 32, 1 << 26, sgd, one()).contains("do not fit in memory"));
    let ftrl = RowOptimizer::Ftrl { beta: 1.0, l1: -1.0, l2: 0.0 };
    assert!(message(2, 2, ftrl, one()).starts_with("tables.t.optimizer.l1: "));
    assert!(message(2, 2, sgd, vec![]).starts_with("fields: "));
    assert_eq!(message(2, 2, sgd, [one(), one()].concat()), "fields.a: named twice");
    assert_eq!(message(2, 2, sgd, vec![field("a", "u", Pooling::Sum)]), "there is no table \"u\"");
}

#[test]
fn settings_are_read_by_their_names() {
    let read = |text: &str| serde_json::from_str::<TableConfig>(text);
    let table =
        read(r#"{"rows": 7, "width": 2, "optimizer": {"kind": "adam", "beta1": 0.5}}"#).expect("good");
    assert_eq!(table.optimizer, RowOptimizer::Adam { beta1: 0.5, beta2: 0.999, epsilon: 1e-8 });
    assert_eq!(read(r#"{"rows": 7, "width": 2}"#).expect("good").optimizer, RowOptimizer::default());
    for kind in ["row-adagrad", "sgd", "ftrl"] {
        let text =
            |more: &str| format!(r#"{{"rows": 7, "width": 2, "optimizer": {{"kind": "{kind}"{more}}}}}"#);
        assert!(read(&text("")).is_ok());
        assert!(read(&text(r#", "beta1": 0.5"#)).is_err(), "{kind} has no beta1");
    }
    let field: Field =
        serde_json::from_str(r#"{"name": "a", "table": "t", "pooling": "weighted-sum"}"#).expect("good");
    assert_eq!(field.pooling, Pooling::WeightedSum);
}

#[test]
fn saved_tables_that_do_not_fit_are_refused_and_change_nothing() -> Result<()> {
    let embeddings = one_table(50, 6, RowOptimizer::default(), &[Pooling::Max, Pooling::Mean]);
    train(&embeddings, 0, 2, 20)?;
    let (saved, before) = (embeddings.export()?, bits(&embeddings)?);
    let refused = |change: &dyn Fn(&mut BTreeMap<String, Tensor>)| {
        let mut tensors = saved.clone();
        change(&mut tensors);
        let error = embeddings.import(&tensors).expect_err("must not fit");
        assert!(matches!(error, Error::State { .. }), "{error}");
        error.to_string()
    };
    let ids = |ids: Vec<u32>| Tensor::new(ids, &Device::Cpu).expect("a tensor");
    let n = saved["t.ids"].elem_count() as u32;
    for what in ["steps", "ids", "values", "sum"] {
        refused(&|tensors| drop(tensors.remove(&format!("t.{what}"))));
    }
    refused(&|tensors| drop(tensors.insert("t.ids".to_owned(), ids((0..n).rev().collect()))));
    refused(&|tensors| drop(tensors.insert("t.ids".to_owned(), ids((51 - n..51).collect()))));
    let message = refused(&|tensors| drop(tensors.insert("u.ids".to_owned(), ids(vec![]))));
    assert_eq!(message, "saved table \"u\": nothing takes tensor \"u.ids\"");
    assert_eq!(bits(&embeddings)?, before);
    Ok(())
}
