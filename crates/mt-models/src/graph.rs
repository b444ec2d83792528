//! Where a network writes itself as a graph of ONNX's standard operators.

use candle_core::Tensor;

use crate::error::Result;

/// A graph under construction. What is computed is known by its name, which the functions return.
///
/// Parameters are those of the model, by name; layers are banks as `mt_layers::Bank` has them, with their normalisation.
pub trait Graph {
    /// A bank of one, `(B, I)` to `(B, O)`, of `depth` layers: a bottom or a gate. ReLU after every layer, after the last with
    /// `activate_last`.
    ///
    /// # Errors
    /// If a parameter is not there.
    fn mlp(&mut self, bank: &str, depth: usize, xs: &str, activate_last: bool) -> Result<String>;

    /// A bank of experts of `depth` layers: `(B, I)` to `(B, n, O)`.
    ///
    /// # Errors
    /// If a parameter is not there.
    fn experts(&mut self, bank: &str, depth: usize, xs: &str) -> Result<String>;

    /// `Σ_e softmax(logits / τ)_e · expert_e`: experts `(B, E, H)` and logits `(B, E)` to `(B, H)`.
    fn mixture(&mut self, experts: &str, logits: &str, temperature: f64) -> String;

    /// Several values side by side along `axis`.
    fn concat(&mut self, values: &[String], axis: i64) -> String;

    /// Columns of a matrix, in this order.
    fn columns(&mut self, value: &str, columns: &[u32]) -> String;

    /// A parameter's values.
    ///
    /// # Errors
    /// If it is not there.
    fn parameter(&self, name: &str) -> Result<Tensor>;

    /// Values as a constant of this name, which no other has.
    ///
    /// # Errors
    /// If they are not of single precision.
    fn constant(&mut self, name: &str, values: &Tensor) -> Result<String>;

    /// A node of one of ONNX's operators, with one output.
    fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String;
}

/// An attribute of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// A number.
    Float(f32),
}
