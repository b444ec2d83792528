//! Tables for prediction against those they were exported from.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Result, Tensor};
use mt_layers::{Input, Run};
use mt_tables::{Embeddings, Error, FrozenEmbeddings, Ids, Pooling, RowOptimizer, TableFormat, pack_tables};

use crate::support::{POOLINGS, differentiate, field, one_table};

const SEED: u64 = 3;

/// Trained in the rows `trained`.
fn embeddings(rows: usize, width: usize, trained: &[u32]) -> Result<Embeddings> {
    let embeddings = one_table(rows, width, RowOptimizer::Sgd {}, &[Pooling::Sum]);
    let ids = Ids { offsets: Some(vec![0, trained.len() as u32]), rows: trained.to_vec(), ..Ids::default() };
    differentiate(&embeddings, &[ids], |i| (i as f32).cos())?;
    embeddings.step(|_| 0.7);
    Ok(embeddings)
}

fn exported(embeddings: &Embeddings) -> BTreeMap<String, Tensor> {
    let mut tensors = embeddings.export().expect("tensors");
    tensors.retain(|name, _| matches!(&name[2..], "steps" | "ids" | "values"));
    tensors
}

fn frozen(
    tensors: &BTreeMap<String, Tensor>,
    rows: usize,
    width: usize,
) -> std::result::Result<FrozenEmbeddings, Error> {
    let bytes = safetensors::serialize(tensors.iter(), None).expect("a file");
    open(bytes, rows, width)
}

fn open(bytes: Vec<u8>, rows: usize, width: usize) -> std::result::Result<FrozenEmbeddings, Error> {
    let fields = vec![field("field0", "t", Pooling::Sum)];
    FrozenEmbeddings::new(&[("t".to_owned(), rows, width)], fields, SEED, Arc::new(bytes))
}

fn bits(tensor: &Tensor) -> Result<Vec<u32>> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect())
}

#[test]
fn frozen_tables_give_the_bits_of_the_trained_ones() -> Result<()> {
    for (rows, width) in [(1, 1), (63, 4), (64, 16), (65, 3), (1000, 17)] {
        let some: Vec<u32> = (0..rows as u32).filter(|id| id % 3 != 1).collect();
        let all: Vec<u32> = (0..rows as u32).collect();
        for trained in [&[][..], &some, &all] {
            let live = embeddings(rows, width, trained)?;
            let tensors = exported(&live);
            let packed = pack_tables(&tensors, &[("t".to_owned(), rows)], TableFormat::F32)?;
            for file in [&tensors, &packed] {
                let frozen = frozen(file, rows, width)?;
                let numeric = Input::from(Tensor::new(&[[1f32, -0.5]], &candle_core::Device::Cpu)?);
                for list in [&all[..], &all[rows - 1..], &[]] {
                    let ids = Ids {
                        offsets: Some(vec![0, list.len() as u32]),
                        rows: list.to_vec(),
                        ..Ids::default()
                    };
                    let expected = live.forward(vec![ids.clone()], Some(&numeric), &mut Run::evaluation())?;
                    assert_eq!(bits(&frozen.forward(&[ids], Some(&numeric))?)?, bits(&expected)?);
                }
                let ids = [Ids::single(all.clone())];
                let expected = live.forward(ids.to_vec(), None, &mut Run::evaluation())?;
                assert_eq!(bits(&frozen.forward(&ids, None)?)?, bits(&expected)?, "{rows} x {width}");
            }
        }
    }
    Ok(())
}

#[test]
fn every_pooling_reads_frozen_rows() -> Result<()> {
    let live = one_table(100, 5, RowOptimizer::Sgd {}, &POOLINGS);
    let mut ids =
        vec![Ids { offsets: Some(vec![0, 3, 3, 5]), rows: vec![1, 99, 7, 7, 64], ..Ids::default() }; 5];
    ids[3].weights = Some(vec![0.5, 2.0, -1.0, 1.0, 3.0]);
    differentiate(&live, &ids, |i| i as f32)?;
    live.step(|_| 0.1);
    let bytes = safetensors::serialize(exported(&live).iter(), None).expect("a file");
    let fields = POOLINGS.iter().enumerate().map(|(f, &p)| field(&format!("field{f}"), "t", p)).collect();
    let frozen = FrozenEmbeddings::new(&[("t".to_owned(), 100, 5)], fields, SEED, Arc::new(bytes))?;
    assert_eq!(bits(&frozen.forward(&ids, None)?)?, bits(&live.forward(ids, None, &mut Run::evaluation())?)?);
    Ok(())
}

#[test]
fn fewer_bits_stay_near_and_leave_start_values_alone() -> Result<()> {
    let (rows, width) = (200, 9);
    let some: Vec<u32> = (0..rows as u32).step_by(2).collect();
    let live = embeddings(rows, width, &some)?;
    let expected = live
        .forward(vec![Ids::single((0..rows as u32).collect())], None, &mut Run::evaluation())?
        .to_vec2::<f32>()?;
    for (format, error) in
        [(TableFormat::F16, 1.0 / 2048.0), (TableFormat::Bf16, 1.0 / 256.0), (TableFormat::Int8, 0.5 / 127.0)]
    {
        let packed = pack_tables(&exported(&live), &[("t".to_owned(), rows)], format)?;
        let frozen = frozen(&packed, rows, width)?;
        let found = frozen.forward(&[Ids::single((0..rows as u32).collect())], None)?.to_vec2::<f32>()?;
        for (id, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
            for (f, e) in found.iter().zip(expected) {
                let bound = if id % 2 == 1 { 0.0 } else { 1.01 * error * largest };
                assert!((f - e).abs() <= bound, "{format:?}, row {id}: {f} and {e}");
            }
        }
    }
    Ok(())
}

#[test]
fn files_that_do_not_fit_are_refused() -> Result<()> {
    let (rows, width) = (100, 4);
    let live = embeddings(rows, width, &[3, 70])?;
    let good = exported(&live);
    let message = |tensors: &BTreeMap<String, Tensor>, rows, width| {
        frozen(tensors, rows, width).expect_err("does not fit").to_string()
    };
    assert_eq!(message(&good, rows, 5), "saved table \"t\": \"values\" is [2, 4], expected up to [100, 5]");
    assert_eq!(message(&good, 70, width), "saved table \"t\": \"ids\" do not ascend below 70 rows");
    let with = |name: &str, tensor: Tensor| {
        let mut tensors = good.clone();
        tensors.insert(name.to_owned(), tensor);
        message(&tensors, rows, width)
    };
    let cpu = &candle_core::Device::Cpu;
    assert_eq!(
        with("t.ids", Tensor::new(&[3u32, 3], cpu)?),
        "saved table \"t\": \"ids\" do not ascend below 100 rows"
    );
    assert_eq!(
        with("t.ids", Tensor::new(&[3u32], cpu)?),
        "saved table \"t\": no list of the 2 trained of 100 rows fits"
    );
    assert_eq!(
        with("u.ids", Tensor::new(&[3u32], cpu)?),
        "saved table \"u\": nothing takes tensor \"u.ids\""
    );
    assert_eq!(
        with("t.values", Tensor::new(&[[1u32; 4]; 2], cpu)?),
        "saved table \"t\": \"values\" of type U32, expected F32, F16, BF16 or U8"
    );
    let mut packed = pack_tables(&good, &[("t".to_owned(), rows)], TableFormat::Int8)?;
    packed.insert("t.seen".to_owned(), Tensor::new(&[8i64, 0], cpu)?);
    assert_eq!(message(&packed, rows, width), "saved table \"t\": 1 rows were trained, \"values\" has 2");
    packed.insert("t.seen".to_owned(), Tensor::new(&[8i64, i64::MIN], cpu)?);
    assert_eq!(message(&packed, rows, width), "saved table \"t\": rows behind the last of 100 were trained");
    packed.remove("t.scales");
    packed.insert("t.seen".to_owned(), Tensor::new(&[8i64, 1], cpu)?);
    assert_eq!(message(&packed, rows, width), "saved table \"t\": \"scales\" of 2 rows are missing");
    Ok(())
}

#[test]
fn a_file_cut_anywhere_or_with_any_byte_turned_never_panics() -> Result<()> {
    let (rows, width) = (100, 4);
    let tensors = pack_tables(
        &exported(&embeddings(rows, width, &[3, 70])?),
        &[("t".to_owned(), rows)],
        TableFormat::F32,
    )?;
    let bytes = safetensors::serialize(tensors.iter(), None).expect("a file");
    for length in 0..bytes.len() {
        assert!(open(bytes[..length].to_vec(), rows, width).is_err());
    }
    let ids = [Ids::single((0..rows as u32).collect())];
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut turned = bytes.clone();
            turned[at] ^= 1 << bit;
            if let Ok(frozen) = open(turned, rows, width) {
                frozen.forward(&ids, None)?;
            }
        }
    }
    Ok(())
}
