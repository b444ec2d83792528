//! A network that no registry has by itself: `stream = relu(x W)`, the same for all tasks.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};
use mt_layers::{Columns, Input, Run};
use serde_json::Value;

use crate::{Architecture, Facts, Graph, Section, Sizes, Trunk};

/// Units of `kind: product`.
#[derive(Debug)]
struct Product(usize);

#[derive(Debug)]
struct ProductTrunk(Tensor);

/// Reads the keys of `kind: product`: `units`, by default 8.
///
/// # Errors
/// For another number than 1 to 1024.
pub fn product(section: &mut Section<'_>) -> crate::Result<Box<dyn Architecture>> {
    Ok(Box::new(Product(section.count("units", 1, 8)?)))
}

impl Architecture for Product {
    fn build(&self, sizes: Sizes<'_>, _: &[Option<Columns>], vb: VarBuilder<'_>) -> Result<Box<dyn Trunk>> {
        let start = Init::Uniform { lo: -0.5, up: 0.5 };
        Ok(Box::new(ProductTrunk(vb.get_with_hints((sizes.inputs, self.0), "product", start)?)))
    }

    fn facts(&self, _: &[&str]) -> Facts {
        Facts::default()
    }

    fn scale(&self, widest: usize, keys: &mut BTreeMap<String, Value>) {
        keys.insert("units".to_owned(), widest.into());
    }

    fn graph(
        &self,
        graph: &mut dyn Graph,
        tasks: &[&str],
        xs: &str,
        _: &[String],
    ) -> crate::Result<Vec<String>> {
        let weight = graph.parameter("product")?;
        let weight = graph.constant("product", &weight)?;
        let product = graph.node("MatMul", &[xs, &weight], &[]);
        Ok(vec![graph.node("Relu", &[&product], &[]); tasks.len()])
    }
}

impl Trunk for ProductTrunk {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let streams = xs.to_dense(self.0.dtype(), self.0.device())?.matmul(&self.0)?.relu()?;
        run.tap(streams, 0..self.width())
    }

    fn width(&self) -> usize {
        self.0.dims()[1]
    }
}
