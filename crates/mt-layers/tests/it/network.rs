//! A small network of every layer: a level of two banks and two gates on the input, banks that read its streams,
//! towers.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{
    Bank, GatedExperts, Initializer, Input, LossKind, LossTerm, Mixture, MultiTaskLoss, Params, Run,
    SparseRows, Towers, forward_side_by_side,
};

pub struct Network {
    first: GatedExperts,
    second: [Bank; 2],
    towers: Towers,
}

/// Units of the experts, hidden units of the gates and of the towers.
pub struct Sizes<'a> {
    pub inputs: usize,
    pub experts: &'a [usize],
    pub gate: &'a [usize],
    pub tower: &'a [usize],
}

impl Network {
    pub fn new(sizes: &Sizes, vb: VarBuilder) -> Result<Self> {
        let init = Initializer::Xavier;
        let width = *sizes.experts.last().expect("at least one layer");
        let all = 0..sizes.inputs;
        let bank = |n, name| Bank::experts(sizes.inputs, n, sizes.experts, init, vb.pp(name));
        let gate = |name| Bank::gate(sizes.inputs, 3, sizes.gate, init, vb.pp(name));
        let (experts, gates) = ([bank(2, "a")?, bank(1, "b")?], [gate("g")?, gate("h")?]);
        let mixture = Mixture::new(width, vec![vec![0, 1, 2], vec![2, 0, 1]], 1.5)?;
        let reads = |banks: [Bank; 2]| banks.map(|bank| (bank, all.clone())).to_vec();
        let second = |name| Bank::experts(width, 2, &[5], init, vb.pp(name));
        Ok(Self {
            first: GatedExperts::new(reads(experts), reads(gates), mixture, 0..0)?,
            second: [second("c")?, second("d")?],
            towers: Towers::new(10, sizes.tower, [("like", 1), ("share", 2)], init, vb.pp("towers"))?,
        })
    }

    pub fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let streams = self.first.forward(xs, run)?;
        let width = streams.dim(1)? / 2;
        let second = [(&self.second[0], 0..width), (&self.second[1], width..2 * width)];
        let streams = forward_side_by_side(&second, &Input::Dense(streams), run)?;
        self.towers.forward(&streams, run)
    }

    pub fn loss(&self, xs: &Input, labels: &[f32], mask: &[f32], run: &mut Run) -> Result<Tensor> {
        let task = |logits| LossTerm { logits, weight: 0.5 + logits as f32, kind: LossKind::CrossEntropy };
        let tasks = [task(1), task(2)];
        Ok(MultiTaskLoss { tasks: &tasks, labels, mask }.forward(&self.forward(xs, run)?)?.total)
    }
}

/// A batch `(rows, inputs)` in which two of three values are zero, with labels and a mask for two tasks.
pub fn batch(rows: usize, inputs: usize, dtype: DType) -> Result<(Input, Input, Vec<f32>, Vec<f32>)> {
    let store = Params::new(rows as u64);
    let draw = |name: &str, shape: (usize, usize)| {
        store.builder(DType::F32, &Device::Cpu).get_with_hints(
            shape,
            name,
            candle_nn::init::DEFAULT_KAIMING_NORMAL,
        )
    };
    let keep = draw("keep", (rows, inputs))?.gt(&draw("threshold", (rows, inputs))?.abs()?)?;
    let xs = draw("xs", (rows, inputs))?.mul(&keep.to_dtype(DType::F32)?)?.detach();
    let positive = |name| -> Result<Vec<f32>> {
        draw(name, (rows, 2))?.gt(0.0)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
    };
    let sparse = SparseRows::from_dense(&xs)?;
    Ok((Input::Dense(xs.to_dtype(dtype)?), sparse.into(), positive("labels")?, positive("mask")?))
}

/// Moves every bias off zero: a unit whose input is exactly zero sits on ReLU's kink, where slopes are a convention.
pub fn move_biases(params: &Params) -> Result<()> {
    for param in params.all().iter().filter(|param| param.name.ends_with("bias")) {
        let n = param.var.elem_count();
        let values = (0..n).map(|i| 0.05 + 0.01 * i as f32).collect::<Vec<_>>();
        let values = Tensor::from_vec(values, param.var.shape(), &Device::Cpu)?;
        param.var.set(&values.to_dtype(param.var.dtype())?)?;
    }
    Ok(())
}
