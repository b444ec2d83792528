//! A step in shards: equal runs of its rows, each a batch of its own, whose gradients are summed along a binary tree.
//!
//! Several ranks share them, each some that follow each other: it adds up what it can, and what is left is combined when all of it
//! is in one place, the gradients of rows of tables where these are kept, those of parameters slice by slice. So the sums are those
//! of one rank that passes one shard after the other, to the bit.
//!
//! A task's loss is a mean over its labelled rows of the whole step, so a shard counts for a task by its share of these, `Σ mask` of
//! the shard over `Σ mask` of the step: a row without a label weighs nothing, as in a single batch, and a task whose labels are all
//! in one shard has the mean of that shard.

use std::ops::Range;

use candle_core::{Device, Tensor};
use mt_dist::{Collective, Message, Node, Reader, Tree, slice};
use mt_layers::{Gradients, Param, Run};
use mt_tables::{Embeddings, TableGradients};

use crate::balance::{Balancer, Collected};
use crate::error::Result;
use crate::labelled::Labelled;
use crate::objective::Objective;

/// The shards of a run's steps, and who computes them.
pub(crate) struct Shards<'a> {
    all: mt_dist::Shards,
    ranks: &'a dyn Collective,
    params: &'a [Param],
    gradients: &'a Gradients,
    /// Where each parameter's gradient is among all of them.
    spans: Vec<Range<usize>>,
    embeddings: Option<&'a Embeddings>,
    spare: Vec<Sums>,
    spare_tables: Vec<TableGradients>,
}

/// What some shards of a step add up to, but for the rows of tables.
#[derive(Default)]
struct Sums {
    /// Gradients of all parameters, one after the other, or a slice of them.
    values: Vec<f32>,
    /// 1 for each parameter that has one.
    touched: Vec<u32>,
    /// What was minimised, and each task's mean loss, `1 + T`.
    losses: Vec<f32>,
}

/// What a step leaves behind.
pub(crate) struct Passed {
    /// The loss that was minimised, a scalar.
    pub total: Tensor,
    /// Each task's mean loss `(T)`, unweighted.
    pub losses: Tensor,
    /// The heads' logits `(B, L)` of this rank's rows; `None` where it has none.
    pub logits: Option<Tensor>,
    /// Rows of all ranks.
    pub rows: usize,
    /// Whether some task has no label at all.
    pub lacks_labels: bool,
    /// Whether some rank is to stop, and the first is to write a checkpoint.
    pub wanted: Wanted,
}

/// What a rank wants at the end of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub stop: bool,
    pub checkpoint: bool,
}

/// What is known of a step's shards before they are passed.
struct Counts {
    rows: usize,
    /// Sums of each task's mask, `T`, shard by shard.
    labels: Vec<Vec<f64>>,
}

impl Counts {
    /// Of a shard, the share of each task's labels in the step that are in it.
    fn shares(&self, shard: usize) -> Vec<f64> {
        let of = |(task, own): (usize, &f64)| {
            let all: f64 = self.labels.iter().map(|counts| counts[task]).sum();
            if all > 0.0 { own / all } else { 0.0 }
        };
        self.labels[shard].iter().enumerate().map(of).collect()
    }

    fn lacks_labels(&self) -> bool {
        let tasks = self.labels.first().map_or(0, Vec::len);
        (0..tasks).any(|task| self.labels.iter().all(|counts| counts[task] == 0.0))
    }
}

impl<'a> Shards<'a> {
    /// So many shards for these ranks.
    ///
    /// # Errors
    /// [`Error::Ranks`](crate::Error::Ranks) unless their number is a power of two.
    pub fn new(
        count: usize,
        ranks: &'a dyn Collective,
        (params, gradients): (&'a [Param], &'a Gradients),
        embeddings: Option<&'a Embeddings>,
    ) -> Result<Self> {
        let place = |at: &mut usize, param: &Param| {
            let from = std::mem::replace(at, *at + param.var.elem_count());
            Some(from..*at)
        };
        let spans = params.iter().scan(0, place).collect();
        let all = mt_dist::Shards::new(count)?;
        Ok(Self {
            all,
            ranks,
            params,
            gradients,
            spans,
            embeddings,
            spare: Vec::new(),
            spare_tables: Vec::new(),
        })
    }

    /// The shards that this rank computes.
    pub fn own(&self) -> Range<usize> {
        self.all.of(self.ranks.rank(), self.ranks.size())
    }

    /// Adds the gradients of a step to the parameters' slots, and to the tables; `forward` gives the logits of one of `batches`, those
    /// of this rank's shards. `wanted` is asked for when they are passed.
    ///
    /// A step of several shards has fixed weights of its tasks, as `train.shards` demands.
    pub fn collect(
        &mut self,
        balancer: &mut Balancer,
        objective: &Objective,
        batches: &[Labelled],
        run: &mut Run,
        forward: impl Fn(usize, &mut Run) -> candle_core::Result<Tensor>,
        wanted: impl FnOnce() -> Wanted,
    ) -> Result<Passed> {
        if let (1, [batch]) = (self.all.count(), batches) {
            let Collected { total, losses, logits } =
                balancer.collect(self.gradients, objective, batch, run, |run| forward(0, run))?;
            let lacks_labels = objective.lacks_labels(&batch.mask);
            let (logits, rows) = (Some(logits), batch.rows);
            return Ok(Passed { total, losses, logits, rows, lacks_labels, wanted: wanted() });
        }
        let (own, counts) = (self.own(), self.count(objective, batches)?);
        let (mut tree, mut of_tables) = (Tree::new(self.all, own.clone()), Tree::new(self.all, own.clone()));
        let mut logits = Vec::with_capacity(batches.len());
        for (part, batch) in batches.iter().enumerate() {
            let (shard, mut losses) = (own.start + part, None);
            let shares = counts.shares(shard);
            let weighed = |run: &mut Run| {
                let own = forward(part, run)?;
                let loss = objective.weighted(&own, batch, &shares).map_err(candle_core::Error::wrap)?;
                losses = Some(loss.tasks);
                logits.push(own.detach());
                Ok(loss.total)
            };
            let share = batch.rows as f64 / counts.rows as f64;
            let total = self.gradients.collect(run, |run| objective.with_importance(share, run, weighed))?;
            let mut sums = self.spare.pop().unwrap_or_default();
            sums.losses = vec![total.to_scalar()?];
            let losses = losses.map(|losses| losses.to_vec1::<f32>()).transpose()?.unwrap_or_default();
            sums.losses.extend(losses.iter().zip(&shares).map(|(loss, share)| loss * *share as f32));
            sums.take(self.params, &self.spans)?;
            tree.push(shard, sums, |a, b| combine(&self.spans, &mut self.spare, a, b))?;
            if let Some(embeddings) = self.embeddings {
                let mut rows = self.spare_tables.pop().unwrap_or_default();
                embeddings.take_gradients(&mut rows);
                of_tables.push(shard, rows, |a, b| TableGradients::combine(a, b, &mut self.spare_tables))?;
            }
        }
        let nodes = tree.into_nodes(|a, b| combine(&self.spans, &mut self.spare, a, b));
        let (sums, wanted) = self.reduce(nodes, wanted())?;
        sums.give(self.params, &self.spans)?;
        if let Some(embeddings) = self.embeddings {
            let nodes = of_tables.into_nodes(|a, b| TableGradients::combine(a, b, &mut self.spare_tables));
            let reduced = embeddings.reduce(nodes, &mut self.spare_tables);
            reduced.map_err(mt_models::Error::from)?;
        }
        let passed = Passed {
            total: Tensor::new(sums.losses[0], &Device::Cpu)?,
            losses: Tensor::new(&sums.losses[1..], &Device::Cpu)?,
            logits: if logits.is_empty() { None } else { Some(Tensor::cat(&logits, 0)?) },
            rows: counts.rows,
            lacks_labels: counts.lacks_labels(),
            wanted,
        };
        self.spare.push(sums);
        Ok(passed)
    }

    /// Rows and labels of all ranks' shards.
    fn count(&self, objective: &Objective, batches: &[Labelled]) -> Result<Counts> {
        let own = batches.iter().map(|batch| (batch.rows, objective.label_weights(&batch.mask)));
        let mut counts = Counts { rows: 0, labels: Vec::new() };
        let mut add = |rows: usize, labels: Vec<f64>| {
            counts.rows += rows;
            counts.labels.push(labels);
        };
        if self.ranks.size() == 1 {
            own.for_each(|(rows, labels)| add(rows, labels));
            return Ok(counts);
        }
        let mut message = Message::default();
        message.put(&[batches.len() as u32]);
        for (rows, labels) in own {
            message.put(&[rows as u32]);
            message.put_doubles(&labels);
        }
        for message in self.ranks.gather(message.bytes())? {
            let mut reader = Reader::new(&message);
            for _ in 0..reader.word()? {
                add(reader.word()?, reader.doubles(objective.tasks())?);
            }
        }
        Ok(counts)
    }

    /// The sums of a whole step from those of each rank: a slice of the gradients on each rank, which then has those of the others.
    fn reduce(&mut self, mut nodes: Vec<Node<Sums>>, wanted: Wanted) -> Result<(Sums, Wanted)> {
        let empty = || candle_core::Error::Msg("a step has no rows".to_owned());
        let (rank, size) = (self.ranks.rank(), self.ranks.size());
        if size == 1 {
            let root = Tree::root(self.all, nodes, |a, b| combine(&self.spans, &mut self.spare, a, b))?;
            return Ok((root.ok_or_else(empty)?, wanted));
        }
        let all = self.spans.last().map_or(0, |span| span.end);
        let slices: Vec<Range<usize>> = (0..size).map(|rank| slice(all, rank, size)).collect();
        let message = |slice: &Range<usize>| {
            let mut message = Message::default();
            message.put(&[nodes.len() as u32]);
            for Node { shard, value } in &nodes {
                message.put(&[*shard as u32, value.losses.len() as u32]);
                message.put_floats(&value.losses);
                message.put(&value.touched);
                message.put_floats(&value.values[slice.clone()]);
            }
            message.into_bytes()
        };
        let mut messages: Vec<Vec<u8>> = slices.iter().map(message).collect();
        self.ranks.exchange_in_place(&mut messages)?;
        self.spare.extend(nodes.drain(..).map(|node| node.value));
        let own = &slices[rank];
        for message in &messages {
            let mut reader = Reader::new(message);
            for _ in 0..reader.word()? {
                let (shard, losses) = (reader.word()?, reader.word()?);
                let mut sums = self.spare.pop().unwrap_or_default();
                sums.losses = reader.floats(losses)?;
                sums.touched = reader.words(self.params.len())?;
                sums.values.resize(all, 0.0);
                reader.floats_into(&mut sums.values[own.clone()])?;
                nodes.push(Node { shard, value: sums });
            }
        }
        let within =
            |span: &Range<usize>| span.start.clamp(own.start, own.end)..span.end.clamp(own.start, own.end);
        let spans: Vec<Range<usize>> = self.spans.iter().map(within).collect();
        let root = Tree::root(self.all, nodes, |a, b| combine(&spans, &mut self.spare, a, b))?;
        let mut root = root.ok_or_else(empty)?;
        let mut message = Message::default();
        message.put(&[u32::from(wanted.stop), u32::from(wanted.checkpoint)]);
        message.put_floats(&root.values[own.clone()]);
        let mut together = Wanted::default();
        for (from, message) in self.ranks.gather(message.bytes())?.iter().enumerate() {
            let mut reader = Reader::new(message);
            let (stop, checkpoint) = (reader.word()? != 0, reader.word()? != 0);
            together.stop |= stop;
            together.checkpoint |= checkpoint && from == 0;
            reader.floats_into(&mut root.values[slices[from].clone()])?;
        }
        Ok((root, together))
    }
}

impl Sums {
    /// Takes the gradients out of the parameters' slots.
    fn take(&mut self, params: &[Param], spans: &[Range<usize>]) -> Result<()> {
        self.values.resize(spans.last().map_or(0, |span| span.end), 0.0);
        self.touched.clear();
        for (param, span) in params.iter().zip(spans) {
            let mut gradient = param.gradient.lock();
            self.touched.push(gradient.touched.into());
            if gradient.touched {
                let values = &mut self.values[span.clone()];
                match &gradient.device {
                    Some(device) => values.copy_from_slice(&device.flatten_all()?.to_vec1::<f32>()?),
                    None => values.copy_from_slice(&gradient.host),
                }
                gradient.reset();
            }
        }
        Ok(())
    }

    /// Makes these the gradients in the parameters' slots, which have none.
    fn give(&self, params: &[Param], spans: &[Range<usize>]) -> Result<()> {
        let touched = params.iter().zip(spans).zip(&self.touched).filter(|(_, touched)| **touched > 0);
        for ((param, span), _) in touched {
            let (mut gradient, values) = (param.gradient.lock(), &self.values[span.clone()]);
            match param.var.device() {
                Device::Cpu => gradient.host.copy_from_slice(values),
                device => gradient.device = Some(Tensor::from_slice(values, param.var.shape(), device)?),
            }
            (gradient.touched, gradient.shared) = (true, true);
        }
        Ok(())
    }
}

/// The sums of two nodes of the tree, over these spans of the parameters; what only one has stays as it is.
fn combine(spans: &[Range<usize>], spare: &mut Vec<Sums>, mut left: Sums, right: Sums) -> Sums {
    for (span, (touched, &more)) in spans.iter().zip(left.touched.iter_mut().zip(&right.touched)) {
        let (sums, values) = (&mut left.values[span.clone()], &right.values[span.clone()]);
        match (*touched, more) {
            (_, 0) => {}
            (0, _) => sums.copy_from_slice(values),
            _ => sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
        }
        *touched |= more;
    }
    left.losses.iter_mut().zip(&right.losses).for_each(|(sum, loss)| *sum += loss);
    spare.push(right);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_side_lacks_is_no_term() {
        let spans = [0..2, 2..4, 4..5, 5..6];
        // What stands where nothing was added is of an earlier step.
        let sums = |values: [f32; 6], touched: [u32; 4], loss: f32| Sums {
            values: values.to_vec(),
            touched: touched.to_vec(),
            losses: vec![loss],
        };
        let left = sums([1.0, -0.0, 9.0, 9.0, -4.0, 9.0], [1, 0, 1, 0], 0.5);
        let right = sums([0.5, -0.0, -0.0, 3.0, 9.0, 9.0], [1, 1, 0, 0], 0.25);
        let mut spare = Vec::new();
        let found = combine(&spans, &mut spare, left, right);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found.values[..5]), bits(&[1.5, -0.0, -0.0, 3.0, -4.0]));
        assert_eq!((&found.touched[..], &found.losses[..], spare.len()), (&[1, 1, 1, 0][..], &[0.75][..], 1));
    }
}
