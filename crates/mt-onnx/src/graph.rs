//! A graph under construction.

use std::collections::{BTreeSet, HashMap};

use candle_core::Tensor;

use crate::error::{Error, Result};
use crate::proto::{self, Attribute, Dimension, Node, Shape, TensorType, Type, ValueInfo};

/// Nodes and constants so far. Values are known by their names; those that are made up begin with `/`.
#[derive(Debug)]
pub struct Graph {
    weights: HashMap<String, Tensor>,
    graph: proto::Graph,
}

/// A size of an input or output.
#[non_exhaustive]
pub enum Size {
    Fixed(usize),
    /// As large as the caller wants; equal for equal names.
    Any(String),
}

impl Size {
    /// Rows of a request.
    pub fn batch() -> Self {
        Self::Any("batch".to_owned())
    }
}

impl Graph {
    /// Of a model with these parameters.
    pub fn new(weights: HashMap<String, Tensor>) -> Self {
        Self { weights, graph: proto::Graph { name: "mt".to_owned(), ..Default::default() } }
    }

    /// A parameter's values.
    pub fn weight(&self, name: &str) -> candle_core::Result<Tensor> {
        let missing = || candle_core::Error::CannotFindTensor { path: name.to_owned() };
        self.weights.get(name).cloned().ok_or_else(missing)
    }

    /// Adds a node, and returns the name of what it computes.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: &[Attribute]) -> String {
        let name = format!("/{op}/{}", self.graph.node.len());
        self.named(op, inputs, attributes, &name);
        name
    }

    /// Adds a node that computes `output`.
    pub fn named(&mut self, op: &str, inputs: &[&str], attributes: &[Attribute], output: &str) {
        self.graph.node.push(Node {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op.to_owned(),
            attribute: attributes.to_vec(),
        });
    }

    /// Several values side by side along `axis`.
    pub fn concat(&mut self, values: &[String], axis: i64) -> String {
        if let [one] = values {
            return one.clone();
        }
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        self.node("Concat", &values, &[Attribute::int("axis", axis)])
    }

    /// Columns of a matrix, in this order.
    pub fn columns(&mut self, value: &str, columns: &[u32]) -> String {
        let columns = self.ints(&columns.iter().map(|&column| i64::from(column)).collect::<Vec<_>>());
        self.node("Gather", &[value, &columns], &[Attribute::int("axis", 1)])
    }

    /// A tensor of single precision as a constant; once, however often it is asked for.
    pub fn tensor(&mut self, name: &str, tensor: &Tensor) -> candle_core::Result<String> {
        if !self.has(name) {
            let values = tensor.flatten_all()?.to_vec1::<f32>()?;
            self.floats(name, tensor.dims(), &values);
        }
        Ok(name.to_owned())
    }

    /// Whether there is a constant of this name.
    pub fn has(&self, name: &str) -> bool {
        self.graph.initializer.iter().any(|constant| constant.name == name)
    }

    /// Numbers as a constant of a name of its own.
    pub fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        self.constant(name, dims, proto::FLOAT, values.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// Numbers in double precision.
    pub fn doubles(&mut self, name: &str, dims: &[usize], values: &[f64]) -> String {
        self.constant(name, dims, proto::DOUBLE, values.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// A number.
    pub fn float(&mut self, value: f32) -> String {
        let name = format!("/float/{value}");
        if self.has(&name) { name } else { self.floats(&name, &[], &[value]) }
    }

    /// Truth values.
    pub fn bools(&mut self, name: &str, values: &[bool]) -> String {
        self.constant(name, &[values.len()], proto::BOOL, values.iter().map(|&x| u8::from(x)).collect())
    }

    /// A list of whole numbers: axes and shapes.
    pub fn ints(&mut self, values: &[i64]) -> String {
        let name = format!("/ints/{values:?}");
        if self.has(&name) { name } else { self.integers(&name, &[values.len()], values) }
    }

    /// A whole number.
    pub fn int(&mut self, value: i64) -> String {
        let name = format!("/int/{value}");
        if self.has(&name) { name } else { self.integers(&name, &[], &[value]) }
    }

    fn integers(&mut self, name: &str, dims: &[usize], values: &[i64]) -> String {
        self.constant(name, dims, proto::INT64, values.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    fn constant(&mut self, name: &str, dims: &[usize], data_type: i32, raw_data: Vec<u8>) -> String {
        self.graph.initializer.push(proto::Tensor {
            dims: dims.iter().map(|&n| n as i64).collect(),
            data_type,
            name: name.to_owned(),
            raw_data: Some(raw_data),
            ..Default::default()
        });
        name.to_owned()
    }

    /// Adds an input.
    pub fn input(&mut self, name: &str, element: i32, sizes: Vec<Size>, doc: String) {
        self.graph.input.push(info(name, element, sizes, doc));
    }

    /// Adds an output of single precision; a node must compute it.
    pub fn output(&mut self, name: &str, sizes: Vec<Size>, doc: String) {
        self.graph.output.push(info(name, proto::FLOAT, sizes, doc));
    }

    /// The graph, if its names are unique.
    pub fn finish(self) -> Result<proto::Graph> {
        let mut names = BTreeSet::new();
        let inputs = self.graph.input.iter().map(|input| &input.name);
        let constants = self.graph.initializer.iter().map(|constant| &constant.name);
        let computed = self.graph.node.iter().flat_map(|node| &node.output);
        match inputs.chain(constants).chain(computed).find(|name| !names.insert(*name)) {
            Some(name) => Err(Error::Name { name: name.clone() }),
            None => Ok(read(self.graph)),
        }
    }
}

/// The graph without what no output comes from, as what only losses read.
fn read(mut graph: proto::Graph) -> proto::Graph {
    let mut read: BTreeSet<String> = graph.output.iter().map(|output| output.name.clone()).collect();
    // Whatever reads a value stands behind it.
    for node in graph.node.iter().rev() {
        if node.output.iter().any(|output| read.contains(output)) {
            read.extend(node.input.iter().cloned());
        }
    }
    graph.node.retain(|node| node.output.iter().any(|output| read.contains(output)));
    graph.initializer.retain(|constant| read.contains(&constant.name));
    graph
}

fn info(name: &str, elem_type: i32, sizes: Vec<Size>, doc_string: String) -> ValueInfo {
    let dim = |size| match size {
        Size::Fixed(n) => Dimension { dim_value: Some(n as i64), dim_param: None },
        Size::Any(name) => Dimension { dim_value: None, dim_param: Some(name) },
    };
    let shape = Some(Shape { dim: sizes.into_iter().map(dim).collect() });
    let r#type = Some(Type { tensor_type: Some(TensorType { elem_type, shape }) });
    ValueInfo { name: name.to_owned(), r#type, doc_string }
}
