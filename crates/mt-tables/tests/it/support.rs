//! Embeddings for tests, and the same lookup in plain candle operations.

use std::collections::BTreeMap;

use candle_core::{D, DType, Device, Result, Tensor, Var};
use mt_layers::{Params, Run};
use mt_tables::{Embeddings, Error, Field, Ids, Pooling, RowOptimizer, TableConfig};

pub const POOLINGS: [Pooling; 5] =
    [Pooling::Sum, Pooling::Mean, Pooling::Max, Pooling::WeightedSum, Pooling::Sequence];

pub fn optimizers() -> [RowOptimizer; 4] {
    [
        RowOptimizer::default(),
        RowOptimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
        RowOptimizer::Sgd {},
        RowOptimizer::Ftrl { beta: 1.0, l1: 0.05, l2: 0.5 },
    ]
}

pub fn field(name: &str, table: &str, pooling: Pooling) -> Field {
    Field { name: name.to_owned(), table: table.to_owned(), pooling }
}

/// One table `t` with a field for each pooling.
pub fn one_table(rows: usize, width: usize, optimizer: RowOptimizer, poolings: &[Pooling]) -> Embeddings {
    let fields = poolings.iter().enumerate().map(|(f, &p)| field(&format!("field{f}"), "t", p)).collect();
    Embeddings::new([("t", TableConfig { optimizer, ..TableConfig::new(rows, width) })], fields, 3)
        .expect("good settings")
}

/// The gradients of `Σ out · upstream`, added to the tables' sums. Returns the output.
pub fn differentiate(
    embeddings: &Embeddings,
    ids: &[Ids],
    upstream: impl Fn(usize) -> f32,
) -> Result<Vec<Vec<f32>>> {
    let mut values = Vec::new();
    Params::new(0).backward(|run| {
        let out = embeddings.forward(ids.to_vec(), None, run)?;
        values = out.to_vec2()?;
        let factors = (0..out.elem_count()).map(&upstream).collect::<Vec<_>>();
        (&out * Tensor::from_vec(factors, out.shape(), &Device::Cpu)?)?.sum_all()
    })?;
    Ok(values)
}

/// All rows of the only table, whether trained or not, through its first field.
pub fn all_rows(embeddings: &Embeddings, rows: usize, width: usize, poolings: &[Pooling]) -> Result<Tensor> {
    let single = |pooling: &Pooling| Ids {
        weights: (*pooling == Pooling::WeightedSum).then(|| vec![1.0; rows]),
        ..Ids::single((0..rows as u32).collect())
    };
    let ids: Vec<Ids> = poolings.iter().map(single).collect();
    embeddings.forward(ids, None, &mut Run::evaluation())?.narrow(1, 0, width)?.contiguous()
}

/// The same as [`Embeddings::forward`] for fields of one table.
pub fn composed(table: &Var, ids: &[Ids], poolings: &[Pooling]) -> Result<Tensor> {
    let width = table.dim(1)?;
    let field = |(ids, pooling): (&Ids, &Pooling)| -> Result<Tensor> {
        let pooled = (0..ids.len()).map(|b| {
            let list = match &ids.offsets {
                Some(offsets) => offsets[b] as usize..offsets[b + 1] as usize,
                None => b..b + 1,
            };
            if list.is_empty() {
                return Tensor::zeros(width, DType::F32, &Device::Cpu);
            }
            let rows = table.index_select(&Tensor::new(&ids.rows[list.clone()], &Device::Cpu)?, 0)?;
            match pooling {
                Pooling::Sum => rows.sum(0),
                Pooling::Mean => rows.mean(0),
                Pooling::Max => rows.t()?.max(D::Minus1),
                Pooling::Sequence => rows.sum(0)?.zeros_like(),
                Pooling::WeightedSum => {
                    let weights = &ids.weights.as_ref().expect("weights")[list.clone()];
                    rows.broadcast_mul(&Tensor::new(weights, &Device::Cpu)?.reshape((list.len(), 1))?)?.sum(0)
                }
            }
        });
        Tensor::stack(&pooled.collect::<Result<Vec<_>>>()?, 0)
    };
    Tensor::cat(&ids.iter().zip(poolings).map(field).collect::<Result<Vec<_>>>()?, 1)
}

/// The bits of everything that is saved.
pub fn bits(embeddings: &Embeddings) -> std::result::Result<BTreeMap<String, Vec<u64>>, Error> {
    let of = |tensor: &Tensor| -> Result<Vec<u64>> {
        let tensor = tensor.flatten_all()?;
        Ok(match tensor.dtype() {
            DType::F32 | DType::F16 | DType::BF16 => tensor
                .to_dtype(DType::F32)?
                .to_vec1::<f32>()?
                .into_iter()
                .map(|x| x.to_bits().into())
                .collect(),
            DType::U32 => tensor.to_vec1::<u32>()?.into_iter().map(u64::from).collect(),
            _ => tensor.to_vec1::<i64>()?.into_iter().map(|x| x as u64).collect(),
        })
    };
    Ok(embeddings.export()?.iter().map(|(name, t)| Ok((name.clone(), of(t)?))).collect::<Result<_>>()?)
}

/// Parameters that are nowhere constant.
pub fn stir(params: &Params) -> Result<()> {
    for param in params.all() {
        let wave: Vec<f32> = (0..param.var.elem_count()).map(|i| (i as f32 * 0.9).sin() * 0.2).collect();
        let wave = Tensor::from_vec(wave, param.var.shape(), &Device::Cpu)?;
        param.var.set(&(param.var.as_detached_tensor() + wave)?)?;
    }
    Ok(())
}
