//! What may stand between the tables and the network.

use std::fmt;

use candle_core::Result as TensorResult;
use candle_nn::VarBuilder;
use mt_layers::{Input, Run};

use crate::error::{Error, Result};
use crate::graph::Graph;

/// A stage with all its sizes: what an entry of `model.stages` describes. It makes of the input `(B, D)` another one whose columns
/// are of the same inputs, so that whatever reads columns by name need not know of it; behind these it may append others.
///
/// ```
/// use mt_layers::candle_core::{Device, Result, Tensor};
/// use mt_layers::{Input, Run};
/// use mt_models::candle_nn::{Init, VarBuilder};
/// use mt_models::{ModelConfig, Registry, Stage, Transform};
///
/// /// Weighs each column by a number that is learned.
/// #[derive(Debug)]
/// struct Weigh;
///
/// #[derive(Debug)]
/// struct Weighing(Tensor);
///
/// impl Stage for Weigh {
///     fn build(&self, inputs: usize, _: &[u32], vb: VarBuilder<'_>) -> Result<Box<dyn Transform>> {
///         Ok(Box::new(Weighing(vb.get_with_hints(inputs, "weight", Init::Const(1.0))?)))
///     }
/// }
///
/// impl Transform for Weighing {
///     fn forward(&self, xs: &Input, _: &mut Run) -> Result<Input> {
///         let xs = xs.to_dense(self.0.dtype(), self.0.device())?;
///         Ok(xs.broadcast_mul(&self.0)?.into())
///     }
/// }
///
/// let mut cfg = ModelConfig::new("mmoe");
/// cfg.registry = Registry::default().with_stage("weigh", |_| Ok(Box::new(Weigh)));
/// cfg.stages = vec![[("kind".to_owned(), "weigh".into())].into()];
/// assert_eq!(cfg.stages()?.len(), 1);
/// # Ok::<(), mt_models::Error>(())
/// ```
pub trait Stage: fmt::Debug + Send + Sync {
    /// Fields and numeric columns that it treats in another way than the rest of the input, each once. By default none.
    fn fields(&self) -> &[String] {
        &[]
    }

    /// Columns that it appends behind those of the input, and which are of no input; `widths` are how many columns each of its
    /// fields has. By default none.
    ///
    /// # Errors
    /// What is wrong with fields of these widths.
    fn appends(&self, _widths: &[usize]) -> std::result::Result<usize, String> {
        Ok(0)
    }

    /// Builds it for `inputs` columns `D`, what stages before it append among them; `own` are those of [`fields`](Self::fields), ascending.
    ///
    /// # Errors
    /// If `vb` cannot provide a parameter.
    fn build(&self, inputs: usize, own: &[u32], vb: VarBuilder<'_>) -> TensorResult<Box<dyn Transform>>;

    /// Writes it into a graph of ONNX, of `xs`, in which `own` are its columns, and the parameters that begin with `name`. By default there is no such form.
    ///
    /// # Errors
    /// If a parameter is not there, or there is no such form of the stage.
    fn graph(&self, _graph: &mut dyn Graph, name: &str, _xs: &str, _own: &[u32]) -> Result<String> {
        let problem = "this stage has no form in ONNX (its Stage writes no graph)".to_owned();
        Err(Error::Config { key: format!("model.{name}"), problem })
    }
}

/// A stage with its parameters.
pub trait Transform: fmt::Debug + Send + Sync {
    /// `(B, D)` to `(B, D)`, with what it [appends](Stage::appends) behind.
    ///
    /// # Errors
    /// If the sizes do not fit.
    fn forward(&self, xs: &Input, run: &mut Run) -> TensorResult<Input>;
}
