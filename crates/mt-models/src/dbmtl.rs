//! DBMTL: what a task says follows from what others do, as in a Bayesian network. Q. Wang et al., *Deep Bayesian Multi-Target Learning
//! for Recommender Systems*, arXiv 1902.09154, 2019; its sharing by experts as in EasyRec.
//!
//! `P(y_1, …, y_T | x) = Π_t P(y_t | y_u for u in pa(t), x)`: `y_t = tower_t(z_t)`, `z_t = r_t(q_t, z_u for u in pa(t))`, `q_t = f_t(s_t)`,
//! `s = shared(x)`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | x | `xs` | `(B, D)` | |
//! | shared | `shared` | `(B, D) → (B, S)`, with experts `(B, T·S)` | those of [`SharedBottom`](crate::SharedBottom), with experts of [`Mmoe`](crate::Mmoe) |
//! | f_t | `specific[t]` | `(B, S) → (B, H)` | `specific.{task}.{l}.weight` `(I, 1, O)`, `….bias` `(1, O)` |
//! | pa(t), r_t | `relations[t]` | `(B, (1 + P)·H) → (B, H)`, ReLU | `relations.{task}.0.weight` `((1 + P)·H, 1, H)`, `….bias` `(1, H)` |
//!
//! A task that follows from no other has no relation: `z_t = q_t`. What passes from one to the next is what the tower reads, not what
//! it says, so tasks may be of any kind.
//!
//! Differs from the paper: a relation is one layer, as `model.tower` has the further ones.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_features::error::Nearest;
use mt_layers::{Bank, Columns, Initializer, Input, Norm, Run, forward_side_by_side};
use serde_json::Value;

use crate::architecture::{Architecture, Facts, largest, scaled};
use crate::error::Error;
use crate::graph::Graph;
use crate::mmoe::MmoeConfig;
use crate::section::Section;
use crate::shared_bottom::SharedBottomConfig;
use crate::trunk::{Sizes, Trunk};

/// Sizes of a [`Dbmtl`].
#[derive(Debug, Clone, PartialEq)]
pub struct DbmtlConfig {
    /// What the tasks share.
    pub shared: DbmtlShared,
    /// Units of each layer of each task's own; the last is the stream's width `H`.
    pub specific: Vec<usize>,
    /// The tasks that each follows from, by name; `None` for all before it, as in the chain rule.
    pub relations: Option<BTreeMap<String, Vec<String>>>,
    /// Start values.
    pub init: Initializer,
    /// Normalisation of specific layers and relations.
    pub norm: Norm,
}

/// What the tasks of a [`Dbmtl`] share.
#[derive(Debug, Clone, PartialEq)]
pub enum DbmtlShared {
    /// One bottom for all.
    Bottom(SharedBottomConfig),
    /// Experts, which a gate a task mixes.
    Experts(MmoeConfig),
}

/// The trunk of what all share, each task's own layers, and what each takes from others.
#[derive(Debug)]
pub struct Dbmtl {
    shared: Box<dyn Trunk>,
    specific: Vec<Bank>,
    /// Those a task comes from are before it.
    relations: Vec<Relation>,
}

/// What a task takes from others.
#[derive(Debug)]
struct Relation {
    task: usize,
    parents: Vec<usize>,
    bank: Bank,
}

impl Dbmtl {
    /// Builds the trunk. The gate of task `t`, if it has experts, reads `columns[t]` of the input; all of it where there is none.
    ///
    /// # Errors
    /// If relations name what is not there or go in a circle, sizes do not hold together, or `vb` cannot provide a parameter.
    pub fn new(cfg: &DbmtlConfig, sizes: Sizes, columns: &[Option<Columns>], vb: VarBuilder) -> Result<Self> {
        let order = cfg.order(sizes.heads).map_err(candle_core::Error::wrap)?;
        let shared = cfg.shared.architecture().build(sizes, columns, vb.clone())?;
        let bank = |inputs, units: &[usize], vb: VarBuilder| {
            Bank::experts(inputs, 1, units, cfg.init, vb.clone())?.normalised(cfg.norm, vb)
        };
        let own = |head| bank(shared.width(), &cfg.specific, vb.pp("specific").pp(head));
        let specific = sizes.heads.iter().map(own).collect::<Result<Vec<_>>>()?;
        let width = specific[0].outputs();
        let relation = |(task, parents): (usize, Vec<usize>)| {
            let vb = vb.pp("relations").pp(sizes.heads[task]);
            let bank = bank(width * (1 + parents.len()), &[width], vb)?;
            Ok(Relation { task, parents, bank })
        };
        let relations = order.into_iter().map(relation).collect::<Result<_>>()?;
        Ok(Self { shared, specific, relations })
    }
}

impl DbmtlShared {
    fn architecture(&self) -> &dyn Architecture {
        match self {
            Self::Bottom(cfg) => cfg,
            Self::Experts(cfg) => cfg,
        }
    }
}

impl DbmtlConfig {
    /// Reads the keys of `kind: dbmtl`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the key.
    pub fn read(section: &mut Section<'_>) -> crate::Result<Box<dyn Architecture>> {
        let (init, norm) = (section.init(), section.norm());
        let experts = section.count("experts", 0, 0)?;
        let (bottom, expert) = (section.layers("bottom", &[128])?, section.layers("expert", &[16])?);
        let (gate, temperature) = (section.units("gate", &[])?, section.above_zero("temperature", 1.0)?);
        let (idle, problem) = match experts {
            0 => (&["expert", "gate", "temperature"][..], "there are no experts (model.experts)"),
            _ => (&["bottom"][..], "experts stand in its place; leave out one of both"),
        };
        for key in idle {
            if section.get::<Value>(key)?.is_some() {
                return Err(section.error(key, problem));
            }
        }
        let shared = match experts {
            0 => DbmtlShared::Bottom(SharedBottomConfig { bottom, init, norm }),
            _ => DbmtlShared::Experts(MmoeConfig { experts, expert, gate, temperature, init, norm }),
        };
        let (specific, relations) = (section.layers("specific", &[32])?, section.get("relations")?);
        Ok(Box::new(DbmtlConfig { shared, specific, relations, init, norm }))
    }

    /// The tasks that follow from others, with these, each behind those it follows from.
    fn order(&self, heads: &[&str]) -> crate::Result<Vec<(usize, Vec<usize>)>> {
        let Some(relations) = &self.relations else {
            return Ok((1..heads.len()).map(|t| (t, (0..t).collect())).collect());
        };
        let refused = |task: &str, problem| Error::Config { key: format!("model.relations.{task}"), problem };
        let place = |task: &str, name: &str| {
            heads.iter().position(|head| *head == name).ok_or_else(|| {
                let known: Vec<String> = heads.iter().map(|&head| head.to_owned()).collect();
                let nearest = Nearest::of(name, &known);
                let problem = format!("there is no task {name:?}{nearest} (there are {})", heads.join(", "));
                refused(task, problem)
            })
        };
        let mut waiting = Vec::new();
        for (task, names) in relations {
            let parents = names.iter().map(|name| place(task, name)).collect::<crate::Result<Vec<_>>>()?;
            if let Some(i) = (1..parents.len()).find(|&i| parents[..i].contains(&parents[i])) {
                return Err(refused(task, format!("{:?} is named twice", names[i])));
            }
            if !parents.is_empty() {
                waiting.push((place(task, task)?, parents));
            }
        }
        waiting.sort_unstable();
        let mut order: Vec<(usize, Vec<usize>)> = Vec::new();
        while !waiting.is_empty() {
            let is_waiting = |u: &usize| waiting.iter().any(|(t, _)| t == u);
            let Some(next) = waiting.iter().position(|(_, parents)| !parents.iter().any(is_waiting)) else {
                let circle = circle(&waiting).into_iter().map(|t| heads[t]).collect::<Vec<_>>();
                let problem = format!("a task follows from itself: {}", circle.join(", from "));
                return Err(refused(circle[0], problem));
            };
            order.push(waiting.remove(next));
        }
        Ok(order)
    }
}

/// Tasks each of which follows from the next, the first of them again at the end. All that wait follow from one that does.
fn circle(waiting: &[(usize, Vec<usize>)]) -> Vec<usize> {
    let mut path = vec![waiting[0].0];
    loop {
        let parents =
            waiting.iter().find(|(t, _)| *t == path[path.len() - 1]).map_or(&[][..], |(_, parents)| parents);
        let Some(&next) = parents.iter().find(|u| waiting.iter().any(|(t, _)| t == *u)) else { return path };
        if let Some(start) = path.iter().position(|t| *t == next) {
            path.push(next);
            return path.split_off(start);
        }
        path.push(next);
    }
}

impl Architecture for DbmtlConfig {
    fn build(
        &self,
        sizes: Sizes<'_>,
        gates: &[Option<Columns>],
        vb: VarBuilder<'_>,
    ) -> Result<Box<dyn Trunk>> {
        Ok(Box::new(Dbmtl::new(self, sizes, gates, vb)?))
    }

    fn check(&self, heads: &[&str]) -> crate::Result<()> {
        self.order(heads).map(|_| ())
    }

    fn facts(&self, heads: &[&str]) -> Facts {
        self.shared.architecture().facts(heads)
    }

    fn scale(&self, widest: usize, keys: &mut BTreeMap<String, Value>) {
        let (key, shared) = match &self.shared {
            DbmtlShared::Bottom(cfg) => ("bottom", &cfg.bottom),
            DbmtlShared::Experts(cfg) => ("expert", &cfg.expert),
        };
        let of = largest(shared).max(largest(&self.specific));
        for (key, units) in [(key, shared), ("specific", &self.specific)] {
            keys.insert(key.to_owned(), scaled(units, of, widest));
        }
    }

    fn graph(
        &self,
        graph: &mut dyn Graph,
        heads: &[&str],
        xs: &str,
        gates: &[String],
    ) -> crate::Result<Vec<String>> {
        let order = self.order(heads)?;
        let mut streams = self.shared.architecture().graph(graph, heads, xs, gates)?;
        for (head, stream) in heads.iter().zip(&mut streams) {
            *stream = graph.mlp(&format!("specific.{head}"), self.specific.len(), stream, true)?;
        }
        for (task, parents) in order {
            let parts: Vec<String> = [task].iter().chain(&parents).map(|&t| streams[t].clone()).collect();
            let read = graph.concat(&parts, 1);
            streams[task] = graph.mlp(&format!("relations.{}", heads[task]), 1, &read, true)?;
        }
        Ok(streams)
    }
}

impl Trunk for Dbmtl {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let (shared, below, width) = (self.shared.forward(xs, run)?, self.shared.width(), self.width());
        let step = if shared.dim(1)? == below { 0 } else { below };
        let reads = self.specific.iter().enumerate().map(|(t, bank)| (bank, t * step..t * step + below));
        let own = forward_side_by_side(&reads.collect::<Vec<_>>(), &shared.into(), run)?;
        // Side by side, only contiguous tensors come out contiguous, as fused operations want them.
        let own = |t| own.narrow(1, t * width, width)?.contiguous();
        let mut streams = (0..self.specific.len()).map(own).collect::<Result<Vec<_>>>()?;
        for Relation { task, parents, bank } in &self.relations {
            let read: Vec<&Tensor> = [task].into_iter().chain(parents).map(|&t| &streams[t]).collect();
            streams[*task] = bank.forward(&Tensor::cat(&read, 1)?.into(), run)?;
        }
        Tensor::cat(&streams, 1)
    }

    fn width(&self) -> usize {
        self.specific[0].outputs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::assert_golden;
    use candle_core::{DType, Device};
    use mt_layers::Params;

    fn config(relations: &[(&str, &[&str])]) -> DbmtlConfig {
        let (init, norm) = (Initializer::Xavier, Norm::None);
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let relations = relations.iter().map(|(task, others)| ((*task).to_owned(), names(others))).collect();
        let shared = DbmtlShared::Bottom(SharedBottomConfig { bottom: vec![3], init, norm });
        DbmtlConfig { shared, specific: vec![2], relations: Some(relations), init, norm }
    }

    #[test]
    fn a_task_comes_behind_those_it_follows_from() -> crate::Result<()> {
        let heads = ["a", "b", "c", "d"];
        let order = |relations: &[(&str, &[&str])]| config(relations).order(&heads);
        assert_eq!(order(&[])?, []);
        let chain = order(&[("a", &["b", "d"]), ("b", &["c"]), ("c", &[])])?;
        assert_eq!(chain, [(1, vec![2]), (0, vec![1, 3])]);
        let all = DbmtlConfig { relations: None, ..config(&[]) };
        assert_eq!(all.order(&heads)?, [(1, vec![0]), (2, vec![0, 1]), (3, vec![0, 1, 2])]);
        Ok(())
    }

    #[test]
    fn relations_that_cannot_be_are_named() {
        let refused = |relations: &[(&str, &[&str])]| {
            let refused = config(relations).check(&["click", "cart", "buy"]);
            refused.expect_err("no such relations").to_string()
        };
        for (relations, expected) in [
            (
                &[("bui", &["click"][..])][..],
                "model.relations.bui: there is no task \"bui\"; did you mean \"buy\"? (there are click, cart, buy)",
            ),
            (&[("buy", &["cart", "click", "cart"])], "model.relations.buy: \"cart\" is named twice"),
            (&[("buy", &["buy"])], "model.relations.buy: a task follows from itself: buy, from buy"),
            // The first to wait is in no circle.
            (
                &[("click", &["buy"]), ("buy", &["cart"]), ("cart", &["buy"])],
                "model.relations.buy: a task follows from itself: buy, from cart, from buy",
            ),
        ] {
            assert_eq!(refused(relations), expected);
        }
    }

    /// PyTorch's 64-bit numbers, rounded to six places:
    ///
    /// ```python
    /// import torch
    /// wave = lambda k, *shape: torch.sin(torch.arange(torch.Size(shape).numel(), dtype=torch.float64) * k + 0.3) \
    ///     .reshape(shape).requires_grad_()
    /// layer = lambda k, inputs, units: (wave(k, inputs, units), wave(k + 0.05, units))
    /// lin = lambda x, layer: torch.relu(x @ layer[0] + layer[1])
    /// x, f = wave(0.9, 2, 4), layer(0.7, 4, 3)
    /// qa, qb, qc = (layer(k, 3, 2) for k in (1.1, 0.5, 0.8))
    /// ra, rb = layer(1.6, 4, 2), layer(0.6, 6, 2)
    /// s = lin(x, f)
    /// c = lin(s, qc)
    /// a = lin(torch.cat([lin(s, qa), c], 1), ra)
    /// b = lin(torch.cat([lin(s, qb), c, a], 1), rb)
    /// y = torch.cat([a, b, c], 1)
    /// (y * torch.arange(1, 13, dtype=torch.float64).reshape(2, 6)).sum().backward()
    /// for t in [y, f[1].grad] + [l[0].grad for l in (qc, ra, rb)]: print([round(e, 6) for e in t.flatten().tolist()])
    /// ```
    #[test]
    fn values_and_gradients_are_those_of_pytorch() -> Result<()> {
        let expected: [(&str, &[f32]); 5] = [
            (
                "",
                &[
                    0.0, 0.243_393, 1.933_511, 2.344_618, 0.662_953, 0.850_666, 0.561_396, 1.534_647,
                    2.983_627, 4.938_525, 0.760_28, 0.091_629,
                ],
            ),
            ("bottom.0.bias", &[13.436_358, 65.383_49, 20.590_35]),
            (
                "specific.c.0.weight",
                &[3.301_784, -1.520_443, 27.954_703, -14.962_916, 37.581_564, -20.400_094],
            ),
            (
                "relations.a.0.weight",
                &[0.0, 0.660_888, 0.0, 3.216_06, -5.199_701, 13.488_32, -0.626_666, 4.989_387],
            ),
            (
                "relations.b.0.weight",
                &[
                    24.670_336, 28.234_72, 24.859_852, 28.671_821, 8.831_385, 10.254_619, 3.376_655,
                    4.318_949, 5.052_567, 5.613_963, 14.542, 16.320_04,
                ],
            ),
        ];
        let device = &Device::Cpu;
        let params = Params::new(1);
        let cfg = config(&[("a", &["c"]), ("b", &["c", "a"])]);
        let sizes = Sizes { inputs: 4, heads: &["a", "b", "c"] };
        let dbmtl = Dbmtl::new(&cfg, sizes, &[], params.builder(DType::F32, device))?;
        let layers = [
            ("bottom.0", 0.7, 4, 3),
            ("specific.a.0", 1.1, 3, 2),
            ("specific.b.0", 0.5, 3, 2),
            ("specific.c.0", 0.8, 3, 2),
            ("relations.a.0", 1.6, 4, 2),
            ("relations.b.0", 0.6, 6, 2),
        ];
        let layers = layers.map(|(layer, k, inputs, units)| (layer.to_owned(), k, inputs, units));
        assert_golden(&dbmtl, &params, layers, &expected)
    }
}
