//! A network as its sizes describe it: what it is to those that build, size, export and look at it.

use std::collections::BTreeMap;
use std::fmt;

use candle_core::Result as TensorResult;
use candle_nn::VarBuilder;
use mt_layers::Columns;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::trunk::{Sizes, Trunk};

/// A network with all its sizes: what a model section describes.
pub trait Architecture: fmt::Debug + Send + Sync {
    /// Builds the trunk. The gate of head `t`, if the network has gates, reads `gates[t]` of the input, all of it where that is
    /// `None` or there is no entry.
    ///
    /// # Errors
    /// If `vb` cannot provide a parameter, or sizes do not hold together.
    fn build(
        &self,
        sizes: Sizes<'_>,
        gates: &[Option<Columns>],
        vb: VarBuilder<'_>,
    ) -> TensorResult<Box<dyn Trunk>>;

    /// Whether it can be for these heads; [`build`](Self::build) refuses them likewise. By default it can.
    ///
    /// # Errors
    /// [`Error::Config`] where a key names what is not there, or cannot be for other reasons.
    fn check(&self, _heads: &[&str]) -> Result<()> {
        Ok(())
    }

    /// What others want to know of it.
    fn facts(&self, heads: &[&str]) -> Facts;

    /// Changes its keys so that its widest layer has `widest` units, and those that grow with it as many in proportion: what
    /// `model.budget` varies. By default nothing grows.
    fn scale(&self, _widest: usize, _keys: &mut BTreeMap<String, Value>) {}

    /// Writes the trunk into a graph of ONNX: the stream of each head. `xs` is the input, `gates` what the gate of each head
    /// reads. By default there is no such form.
    ///
    /// # Errors
    /// If a parameter is not there, or there is no such form of the network.
    fn graph(
        &self,
        _graph: &mut dyn Graph,
        _heads: &[&str],
        _xs: &str,
        _gates: &[String],
    ) -> Result<Vec<String>> {
        let problem = "this network has no form in ONNX (its Architecture writes no graph)".to_owned();
        Err(Error::Config { key: "model.kind".to_owned(), problem })
    }
}

/// What reports, budgets, warm starts and balancing methods want to know of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Of each level of gates, from the input up, the names of the experts that they weigh, in order; empty without gates.
    pub levels: Vec<Vec<String>>,
    /// Why the tasks share nothing, if they do not: `single-task has none`.
    pub nothing_shared: Option<String>,
    /// Of each head, the weight `(I, …)` of its gate's first layer that reads the input; empty without gates.
    pub gates: Vec<String>,
}

/// Units in proportion to the largest of some, which become `widest`.
pub(crate) fn scaled(units: &[usize], largest: usize, widest: usize) -> Value {
    units.iter().map(|&units| ((units * widest + largest / 2) / largest).max(1)).collect()
}

/// The largest of some units.
pub(crate) fn largest(units: &[usize]) -> usize {
    units.iter().copied().max().unwrap_or(1)
}
