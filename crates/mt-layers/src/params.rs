//! The parameter store: ordered by name, seeded per name, with a gradient slot for each parameter.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Result, Shape, Tensor, Var, bail};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::gradients::Gradients;
use crate::init;
use crate::norm::Norm;
use crate::run::Run;
use crate::slot::Slot;

/// A named parameter, its tensor and its gradient.
#[derive(Debug, Clone)]
pub struct Param {
    /// Dotted field path, such as `levels.0.experts.shared.0.weight`.
    pub name: String,
    /// The value.
    pub var: Var,
    /// The gradient collected by [`Params::backward`].
    pub gradient: Slot,
}

/// Trainable parameters in the order of their names.
///
/// Each tensor's start values depend on the seed and its name alone, not on the order of construction, so adding a
/// task does not change how the others start. It hands out candle [`VarBuilder`]s, so any candle layer can use it.
///
/// ```
/// use candle_core::{DType, Device};
/// let params = mt_layers::Params::new(42);
/// let linear = candle_nn::linear(3, 2, params.builder(DType::F32, &Device::Cpu).pp("head"))?;
/// assert_eq!(params.all().iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["head.bias", "head.weight"]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Params {
    seed: u64,
    by_name: Arc<Mutex<BTreeMap<String, Param>>>,
}

impl Params {
    /// An empty store.
    pub fn new(seed: u64) -> Self {
        Self { seed, by_name: Arc::default() }
    }

    /// A builder that creates the parameters a model asks for.
    pub fn builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device.clone())
    }

    /// A builder for a second model on the same values, for inference: it follows every update and needs no gradient.
    pub fn frozen(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        let tensors = self.all().into_iter().map(|p| (p.name, p.var.as_detached_tensor())).collect();
        VarBuilder::from_tensors(tensors, dtype, device)
    }

    /// A second store with the same names and values, and gradients of its own, which then go their own way: a model on
    /// its [`builder`](Params::builder) trains as one on this store would.
    ///
    /// # Errors
    /// If a tensor cannot be copied.
    pub fn copy(&self) -> Result<Self> {
        let copy = |param: Param| {
            let var = Var::from_tensor(&param.var.as_detached_tensor().copy()?)?;
            let gradient = Slot::zeros(var.elem_count());
            Ok((param.name.clone(), Param { var, gradient, ..param }))
        };
        let by_name = self.all().into_iter().map(copy).collect::<Result<_>>()?;
        Ok(Self { seed: self.seed, by_name: Arc::new(Mutex::new(by_name)) })
    }

    /// All parameters in the order of their names.
    pub fn all(&self) -> Vec<Param> {
        self.lock().values().cloned().collect()
    }

    /// Total number of trainable values; [running statistics](Norm::is_statistic) are none.
    pub fn count(&self) -> usize {
        let trained = |p: &&Param| !Norm::is_statistic(&p.name);
        self.lock().values().filter(trained).map(|p| p.var.elem_count()).sum()
    }

    /// The gradient slots of the parameters there are now, to be set up once for many steps.
    pub fn gradients(&self) -> Gradients {
        Gradients::new(
            self.lock().values().map(|p| (p.var.as_tensor().clone(), p.gradient.clone())).collect(),
        )
    }

    /// Runs `forward` to a scalar loss and adds its gradients to the parameters' slots: [`Gradients::collect`] for a
    /// single [training](Run::training) step.
    pub fn backward(&self, forward: impl FnOnce(&mut Run) -> Result<Tensor>) -> Result<Tensor> {
        self.gradients().collect(&mut Run::training(), forward)
    }

    /// Copies values from `tensors` by name.
    ///
    /// # Errors
    /// If a name is missing or superfluous, or a shape differs: the message names the first such parameter.
    pub fn assign(&self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let by_name = self.lock();
        if let Some(name) = tensors.keys().find(|name| !by_name.contains_key(*name)) {
            bail!("parameter {name:?} is not in this model")
        }
        for (name, param) in by_name.iter() {
            let Some(tensor) = tensors.get(name) else { bail!("parameter {name:?} is missing") };
            if tensor.shape() != param.var.shape() {
                bail!("parameter {name:?} has shape {:?} here, {:?} there", param.var.shape(), tensor.shape())
            }
        }
        for (name, param) in by_name.iter() {
            param.var.set(&tensors[name].to_device(param.var.device())?)?;
        }
        Ok(())
    }

    /// Reads a safetensors file and assigns its tensors, see [`Params::assign`].
    pub fn load(&self, path: &Path) -> Result<()> {
        self.assign(&candle_core::safetensors::load(path, &Device::Cpu)?.into_iter().collect())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Param>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimpleBackend for Params {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let mut by_name = self.lock();
        if let Some(param) = by_name.get(name) {
            if *param.var.shape() != shape {
                bail!("parameter {name:?} has shape {:?}, asked for {shape:?}", param.var.shape())
            }
            return Ok(param.var.as_tensor().clone());
        }
        let values = init::draw(init, &shape, self.seed, name)?;
        let elements = values.len();
        let var = Var::from_tensor(&Tensor::from_vec(values, shape, device)?.to_dtype(dtype)?)?;
        let tensor = var.as_tensor().clone();
        by_name
            .insert(name.to_owned(), Param { name: name.to_owned(), var, gradient: Slot::zeros(elements) });
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        match self.lock().get(name) {
            Some(param) => Ok(param.var.as_tensor().clone()),
            None => bail!("parameter {name:?} does not exist"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use candle_nn::Module;

    use super::*;
    use crate::{Bank, Initializer, Input, Towers};

    fn weight(seed: u64, names: &[&str]) -> Result<Vec<f32>> {
        let params = Params::new(seed);
        let vb = params.builder(DType::F32, &Device::Cpu);
        for name in names {
            vb.get_with_hints((4, 3), name, init::xavier_uniform(4, 3))?;
        }
        vb.get((4, 3), "a")?.flatten_all()?.to_vec1()
    }

    #[test]
    fn start_values_depend_on_seed_and_name_only() -> Result<()> {
        assert_eq!(weight(1, &["a", "b"])?, weight(1, &["b", "c", "a"])?);
        assert_ne!(weight(1, &["a"])?, weight(2, &["a"])?);
        Ok(())
    }

    #[test]
    fn a_copy_trains_with_the_gradients_of_the_original() -> Result<()> {
        let params = Params::new(3);
        let device = &Device::Cpu;
        let gradients = |params: &Params| -> Result<Vec<Vec<f32>>> {
            let vb = params.builder(DType::F32, device);
            // Layers with kernels of their own, and one that candle differentiates.
            let experts = Bank::experts(3, 2, &[4, 4], Initializer::Xavier, vb.pp("experts"))?;
            let towers = Towers::new(8, &[2], [("a", 1), ("b", 1)], Initializer::Xavier, vb.pp("towers"))?;
            let last = candle_nn::linear(2, 1, vb.pp("last"))?;
            let xs: Vec<f32> = (0..15).map(|i| (i * 7 % 11) as f32 - 4.0).collect();
            let xs = Input::from(Tensor::from_vec(xs, (5, 3), device)?);
            params.backward(|run| {
                let logits = towers.forward(&experts.forward(&xs, run)?, run)?;
                last.forward(&logits)?.sqr()?.sum_all()
            })?;
            Ok(params.all().iter().map(|param| param.gradient.lock().host.clone()).collect())
        };
        let expected = gradients(&params)?;
        assert!(expected.iter().all(|gradient| gradient.iter().any(|g| *g != 0.0)));
        let copy = params.copy()?;
        assert_eq!(gradients(&copy)?, expected);
        assert!(copy.all().iter().all(|param| param.gradient.lock().touched));
        // Each has its own.
        copy.all().iter().for_each(|param| param.gradient.lock().reset());
        let own = |param: &Param| param.gradient.lock().host.clone();
        assert_eq!(params.all().iter().map(own).collect::<Vec<_>>(), expected);
        Ok(())
    }

    #[test]
    fn assigning_names_what_does_not_fit() -> Result<()> {
        let params = Params::new(0);
        params.builder(DType::F32, &Device::Cpu).get(2, "a")?;
        let tensor = Tensor::zeros(3, DType::F32, &Device::Cpu)?;
        let message = |name: &str| {
            let tensors = BTreeMap::from([(name.to_owned(), tensor.clone())]);
            params.assign(&tensors).expect_err("must not fit").to_string()
        };
        assert!(message("a").contains("\"a\" has shape"), "{}", message("a"));
        assert!(message("b").contains("\"b\" is not in this model"), "{}", message("b"));
        Ok(())
    }
}
