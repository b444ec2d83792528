//! What a training run begins with, new or continued.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use mt_bundle::Signature;
use mt_data::Dataset;
use mt_dist::{Collective, Shards};
use mt_layers::{Input, Params, shares, symmetric_weights};
use mt_models::{InputLayer, Model, build};
use mt_tables::Share;

use crate::balance::Balancer;
use crate::checkpoint::{self, State, Weights};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::evaluate::Scorer;
use crate::optim::Optimizer;
use crate::resume::{Newest, Rows, newest};
use crate::run::RunDir;
use crate::target;
use crate::warm_start::{WarmStarted, warm_start};

/// A model with its weights, and where its training stands.
pub(crate) struct Setup {
    pub layer: InputLayer,
    pub params: Params,
    pub model: Box<dyn Model>,
    /// Averages of the parameters, where `train.average` wants them.
    pub averages: Option<Params>,
    /// A model on the trained parameters that needs no gradient.
    pub updated: Box<dyn Model>,
    /// Likewise, on the averages where there are any.
    pub scorer: Scorer,
    pub signature: Signature,
    pub optimizer: Optimizer,
    pub balancer: Balancer,
    pub state: State,
    /// What a new run took over from another.
    pub taken: Option<WarmStarted>,
    /// What a run that goes on was found with.
    pub resumed: Option<Newest>,
    /// How its rows compare with those before.
    pub rows: Rows,
}

impl Setup {
    /// Builds the model, and reads its weights and state where there are any: of a run that was begun its newest whole
    /// checkpoint, of a new one what `train.warm_start` names.
    ///
    /// # Errors
    /// [`Error::Symmetric`] if units start equal, [`Error::OtherData`] if the run began with other data, and whatever is wrong
    /// with model or files.
    pub fn new(
        ranks: &Arc<dyn Collective>,
        cfg: &Config,
        data: &Dataset,
        device: &Device,
        run: &RunDir,
    ) -> Result<Self> {
        cfg.check_for_rows()?;
        data.check()?;
        let mut signature = signature(cfg, data)?;
        let tasks = &data.schema.tasks;
        let (seed, rule) = (cfg.train.seed, cfg.train.table_optimizer);
        let (schema, encoders, ranks) = (&data.schema, &data.encoders, ranks.clone());
        let share = Share { ranks: ranks.clone(), shards: Shards::new(cfg.train.shards)? };
        let layer = InputLayer::among(share, &cfg.model, schema, encoders, rule, seed, device)?;
        let inputs = cfg.model.inputs(&data.schema)?;
        let resumed = run.begun().then(|| newest(run)).transpose()?;
        let newest = resumed.as_ref().and_then(|newest| newest.path.as_deref());
        let foreign = resumed.as_ref().is_some_and(|newest| newest.foreign);
        let extends = foreign || run.extends();
        let mut rows = Rows::default();
        if let Some(path) = newest {
            let begun = Signature::read(path)?;
            rows = Rows::compare(path, &begun, data, extends)?;
            // What else was fitted on the rows it began with stays, such as scales of regressions; none if it is older than
            // they are.
            signature = begun.with(&cfg.model.registry);
        }
        let params = Params::new(seed);
        let network = signature.model.clone();
        let heads = data.schema.heads();
        let sized = |vb| build(&network, &inputs, &heads, vb);
        let model = sized(params.builder(DType::F32, device))?;
        check_shares(cfg, model.as_ref(), network.read_width(&inputs)?, device)?;
        let mut optimizer = Optimizer::new(cfg.train.optimizer);
        let mut taken = None;
        // A run that goes on has its weights already.
        if let (Some(start), None) = (&cfg.train.warm_start, newest) {
            let (embeddings, rule) = (layer.embeddings(), cfg.train.optimizer);
            let (from_there, report) = warm_start(start, &params.all(), embeddings, &signature, rule)?;
            target::take_over(&cfg.train, start, &report, &mut signature)?;
            (optimizer, taken) = (from_there, Some(report));
        }
        let averages = cfg.train.average.map(|_| params.copy()).transpose()?;
        let updated = sized(params.frozen(DType::F32, device))?;
        let predicting = sized(averages.as_ref().unwrap_or(&params).frozen(DType::F32, device))?;
        if let (Some(name), false) = (symmetric_weights(&params.all())?.first(), cfg.train.allow_symmetry) {
            return Err(Error::Symmetric(name.clone()));
        }
        let (mut state, mut balancer) = (State::new(seed), Balancer::new(&cfg.train, tasks));
        if let Some(path) = newest {
            let weights = Weights { params: &params, averages: averages.as_ref() };
            (optimizer, state) = checkpoint::read(path, weights, layer.embeddings(), cfg.train.optimizer)?;
            if !balancer.restore(state.balance.take()) {
                return Err(Error::Balance { path: path.to_owned() });
            }
            match foreign {
                true => (state, rows.changed) = (Rows::begin(state), Vec::new()),
                false => rows.changed = rows.take_over(&mut state, run.extends()),
            }
            // Of a run that did not record its rows.
            if state.rows > data.rows().len() || state.retired > state.selected.len() {
                let (done, are) = (state.rows, data.rows().len());
                let differences =
                    vec![format!("{done} rows of the epoch were done, and there are {are}")].into();
                return Err(Error::OtherData { path: path.to_owned(), differences });
            }
        }
        let scorer = Scorer { layer: layer.clone(), model: predicting, readout: signature.readout(), ranks };
        Ok(Self {
            layer,
            params,
            model,
            averages,
            updated,
            scorer,
            signature,
            optimizer,
            balancer,
            state,
            taken,
            resumed,
            rows,
        })
    }
}

/// Refuses to balance gradients of what the tasks share where the network does not say what that is.
fn check_shares(cfg: &Config, model: &dyn Model, inputs: usize, device: &Device) -> Result<()> {
    let kind = cfg.train.balance.kind;
    let row = || Tensor::zeros((1, inputs), DType::F32, device);
    if !kind.of_gradients() || shares(|run| model.forward(&Input::from(row()?), run))? {
        return Ok(());
    }
    let problem = format!(
        "train.balance.kind: {kind} weighs the tasks' gradients of what they share, and {} does not say what that is \
         (mt_layers::Run::tap)",
        cfg.model.kind
    );
    Err(Error::Config { at: "configuration".to_owned(), problem })
}

/// What the model is, with the widths that its budget allows.
fn signature(cfg: &Config, data: &Dataset) -> Result<Signature> {
    let links = cfg.links(&data.schema.tasks)?;
    Ok(Signature {
        format: Signature::format_of(&data.schema, &data.normalizer),
        model: cfg.fitting_model(data)?,
        schema: data.schema.clone(),
        normalizer: data.normalizer.clone(),
        encoders: data.encoders.clone(),
        targets: target::fit(&cfg.train, &links, &data.schema.tasks, data.rows())?,
        links,
        missing: cfg.data.missing_policy(),
        coverage: Some(data.coverage.train.clone()),
        seed: cfg.train.seed,
    })
}
