//! A network that is none of `mt-models`: `stream = relu(x W)`, the same for all tasks.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};
use mt_layers::{Columns, Input};
use mt_models::candle_nn::{Init, VarBuilder};
use mt_models::{Architecture, Facts, Graph, ModelConfig, Registry, Sizes, Trunk};
use serde_json::Value;

/// Units of `kind: product`.
#[derive(Debug)]
struct Product(usize);

#[derive(Debug)]
struct ProductTrunk(Tensor);

/// A model of this kind.
pub fn product(units: usize) -> ModelConfig {
    let read = |section: &mut mt_models::Section<'_>| -> mt_models::Result<Box<dyn Architecture>> {
        Ok(Box::new(Product(section.count("units", 1, 8)?)))
    };
    let registry = Registry::default().with("product", read);
    ModelConfig { registry, ..ModelConfig::new("product") }.with("units", units)
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
    ) -> mt_models::Result<Vec<String>> {
        let weight = graph.parameter("product")?;
        let weight = graph.constant("product", &weight)?;
        let product = graph.node("MatMul", &[xs, &weight], &[]);
        Ok(vec![graph.node("Relu", &[&product], &[]); tasks.len()])
    }
}

impl Trunk for ProductTrunk {
    fn forward(&self, xs: &Input) -> Result<Tensor> {
        xs.to_dense(DType::F32, &Device::Cpu)?.matmul(&self.0)?.relu()
    }

    fn width(&self) -> usize {
        self.0.dims()[1]
    }
}
